"""The commands that do it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from svcproof.results import CaseResult, ClusterLine, RunResult

__all__ = ["again", "commands"]

#: Kinds whose shape is chosen by option; an existing cluster is as it is.
_SHAPED = ("embedded", "kind", "fake")


def commands(run: RunResult, troubled: tuple[CaseResult, ...]) -> Iterator[tuple[str, str]]:
    """Pairs: what for, and the command."""
    if run.command:
        yield "what this run was", run.command
    if troubled:
        names = " or ".join(dict.fromkeys(_function(case.case) for case in troubled))
        yield "the cases that did not pass, again", _svcproof(run.cluster, names)
    yield "the whole run, again", _svcproof(run.cluster, "")
    judged = f"svcproof judge {quote(run.evidence)}"
    yield "the same evidence, judged again, without a cluster", judged
    yield "this page, again", f"svcproof report {quote(run.evidence)}"


def again(run: RunResult, case: CaseResult) -> str:
    """One case, again."""
    path = case.case.partition("::")[0]
    if "routing/" in path or "suites/" in path:
        return _svcproof(run.cluster, _function(case.case))
    return " ".join(["pytest", quote(case.case), *_options(run.cluster)])


def _svcproof(cluster: ClusterLine | None, names: str) -> str:
    # Which cases are slow is not in the results: those that are named are wanted in any case.
    chosen = ["--svc-slow", "-k", quote(names)] if names else []
    return " ".join(["svcproof", "run", *_options(cluster), *chosen])


def _options(cluster: ClusterLine | None) -> list[str]:
    if cluster is None:
        return []
    if cluster.kind not in _SHAPED:
        return ["--svc-cluster", "existing"]
    families = "dual" if len(cluster.families) > 1 else "".join(cluster.families)
    minor = ".".join(cluster.kubernetes_version.split(".")[:2])
    version = ["--svc-k8s-version", minor] if cluster.kind == "embedded" else []
    return [
        *("--svc-cluster", cluster.kind),
        *("--svc-proxy-mode", quote(cluster.proxy_mode)),
        *("--svc-ip-families", quote(families or "ipv4")),
        *("--svc-nodes", str(cluster.nodes)),
        *version,
    ]


def _function(case: str) -> str:
    """The test function's own name: parameters are no words that ``-k`` understands."""
    return re.sub(r"\[.*", "", case.rpartition("::")[2] if "[" not in case else _whole(case))


def _whole(case: str) -> str:
    return case.partition("[")[0].rpartition("::")[2]
