"""The end of a run on the terminal: what was proven, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from svcproof.reporters.counts import ended
from svcproof.reporters.culprit import culprit_lines
from svcproof.reporters.facts import SOURCES, told
from svcproof.reporters.grid import grid_lines
from svcproof.results import (
    CaseResult,
    ClusterLine,
    FactLine,
    Problem,
    RunResult,
    unjudged,
)
from svcproof.verdict import WORDS

__all__ = ["FORMS", "cluster_words", "render"]

_KINDS = {
    "pod": "Pod",
    "host-network": "host network",
    "backend": "backend",
}
#: What people call the forms of entries.
FORMS = {
    "cluster-ip": "ClusterIP",
    "short-name": "short name",
    "fqdn": "FQDN",
    "node-port": "node port",
    "load-balancer": "external address",
    "external-ip": "externalIP",
    "health-check": "health check",
    "connect": "the API server",
    "dns": "DNS",
    "pod-ip": "the Pods themselves",
}
#: What cases without a verdict are called, where that is not the word itself.
_LABELS = {"inconclusive": "INCONCLUSIVE", "error": "ERROR"}
#: How many cases are named that lack the same.
_SHOWN = 4
_PLACES = {"outside": "outside", "host-network": "in the host network", "pod": "in Pods"}


def render(run: RunResult, *, width: int = 80) -> str:
    """The whole summary as text: what explains it, a verdict and a promise, what that rests on."""
    lines = [*culprit_lines(run.culprits, width=width), *_head(run, width)]
    lines += _framed(f"  {line}" for line in grid_lines(run, width=max(width, 40) - 2))
    for promise, group in _grouped(run.cases).items():
        lines += _wrapped(promise, _verdict(group), width)
        lines += _wrapped(_evidence(group), "", width)
        for line in told(_worth_telling(group)):
            lines += _wrapped(line, "", width)
    for (word, reason, remedy), names in _alike(run.problems).items():
        lines += _wrapped(_problem(names, reason, remedy), _LABELS.get(word, word), width)
    if run.cases:
        lines += _wrapped(f"{run.evidence} ({_many(len(run.cases), 'history')})", "evidence", width)
    return "\n".join(lines)


def _head(run: RunResult, width: int) -> Iterator[str]:
    """The cluster, and what of it and of the promises was not looked at."""
    if run.cluster is not None:
        yield from _wrapped(cluster_words(run.cluster), "cluster", width)
        for reason, nodes in _by_reason(run.cluster.left_out).items():
            yield from _wrapped(f"{_listed(nodes)}: {reason}", "left out", width)
        for kind, reason in run.cluster.lacking_positions.items():
            yield from _wrapped(f"{_PLACES.get(kind, kind)}: {reason}", "no clients", width)
    for reason, families in _by_reason(unjudged(run.cases, run.problems)).items():
        yield from _wrapped(f"{_listed(families)}: {reason}", "not judged", width)


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """What each reason was given for."""
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason, []).append(name)
    return groups


def _listed(names: Sequence[str]) -> str:
    hidden = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")


def _framed(lines: Iterable[str]) -> list[str]:
    framed = [line.rstrip() for line in lines]
    return ["", *framed, ""] if framed else []


def _wrapped(text: str, label: str, width: int) -> list[str]:
    first = f"{label:<13}  "
    return textwrap.wrap(
        text,
        width=max(width, 40),
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def cluster_words(line: ClusterLine) -> str:
    """What the cluster is, in one line."""
    families = " and ".join(family.replace("ip", "IP") for family in line.families)
    start = f"; started in {line.start_seconds:.1f} s" if line.start_seconds >= 0.1 else ""
    known = line.profile in ("", f"kube-proxy {line.proxy_mode}")
    rules = f"kube-proxy {line.proxy_mode}" if known else f"{line.proxy_mode}: {line.profile}"
    if line.profile.startswith(line.proxy_mode):
        rules = line.profile
    return (
        f"{line.kind} {line.name}: Kubernetes {line.kubernetes_version}, "
        f"{rules}, {_many(line.nodes, 'node')}, {families}{start}"
    )


def _alike(problems: Iterable[Problem]) -> dict[tuple[str, str, str], list[str]]:
    """The cases of each word, reason and remedy."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        name = problem.case.rpartition("::")[2]
        groups.setdefault((problem.word, problem.reason, problem.remedy), []).append(name)
    return groups


def _problem(names: Sequence[str], reason: str, remedy: str) -> str:
    of = _listed(list(dict.fromkeys(names)))
    what = f"{of}: {reason}" if of else reason
    return f"{what}; what to do: {remedy}" if remedy else what


def _grouped(cases: Iterable[CaseResult]) -> dict[str, list[CaseResult]]:
    groups: dict[str, list[CaseResult]] = {}
    for case in cases:
        groups.setdefault(case.promise, []).append(case)
    return groups


def _verdict(group: Sequence[CaseResult]) -> str:
    words = {case.verdict for case in group}
    return next(word for word in WORDS if word in words)


def _evidence(group: Sequence[CaseResult]) -> str:
    verdicts = [case.verdict for case in group]
    split = ", ".join(f"{verdicts.count(word)} {word}" for word in WORDS if word in verdicts)
    connections = sum(case.judged for case in group)
    asked = {form for case in group for form in case.forms}
    thing = "question" if asked and asked <= {"dns", "health-check"} else "connection"
    sent = (
        f"from {_places(group)} to {_ways(group)}: {_many(connections, thing)}, {ended(group)}"
        if connections
        else "asked of the API server"
    )
    return sent + ("" if set(verdicts) == {"PASS"} else f"; cases: {split}")


def _worth_telling(group: Sequence[CaseResult]) -> Iterator[FactLine]:
    """Where all is as promised, or known, the addresses that backends saw are what was promised."""
    passed = _verdict(group) in ("PASS", "KNOWN")
    for fact in (fact for case in group for fact in case.facts):
        if not (passed and fact.name == SOURCES):
            yield fact


def _places(group: Sequence[CaseResult]) -> str:
    places = dict.fromkeys(place for case in group for place in case.positions)
    kinds = [kind for kind, _ in places]
    parts = [
        "outside" if kind == "outside" else _many(kinds.count(kind), _KINDS.get(kind, kind))
        for kind in dict.fromkeys(kinds)
    ]
    return " and ".join(parts) or "nowhere"


def _ways(group: Sequence[CaseResult]) -> str:
    forms = dict.fromkeys(form for case in group for form in case.forms)
    return ", ".join(FORMS.get(form, form) for form in forms) or "nothing"


def _many(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {plural}"
