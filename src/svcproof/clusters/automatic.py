"""The kind of cluster that suits where we are, and why it was chosen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from svcproof.clusters.options import ClusterOptions
from svcproof.errors import UsageError
from svcproof.ports import Cluster

__all__ = ["chosen", "open_cluster"]

_DOCKER_SECONDS = 10.0


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> Cluster:
    """Choose, and open that kind."""
    from svcproof.clusters.registry import opener

    wanted = chosen(options, report)
    return opener(wanted.kind)(wanted, report)


def chosen(options: ClusterOptions, report: Callable[[str], None]) -> ClusterOptions:
    """The same with a kind in the place of ``auto``, said in one line with the reason."""
    if options.kind != "auto":
        return options
    kind, reason = _choice(options)
    report(f"cluster kind {kind}: {reason}")
    return replace(options, kind=kind)


def _choice(options: ClusterOptions) -> tuple[str, str]:
    """A kubeconfig given → existing; Docker runs and kind is there → kind; else embedded."""
    is_given = options.existing.kubeconfig is not None or options.existing.context
    if options.name and is_given:
        raise UsageError(
            f"cluster {options.name} is named, and a kubeconfig or a context is given",
            remedy="give --svc-name, or else --svc-kubeconfig and --svc-context",
        )
    if options.name:
        return "embedded", "a name was given, as `svcproof up` has them"
    if is_given:
        return "existing", "a kubeconfig or a context was given"
    lacking = _lacking_for_kind()
    if lacking:
        return "embedded", f"for kind {lacking}"
    return "kind", "Docker runs, and kind is there"


def _lacking_for_kind() -> str:
    """What kind would need and is not there, the cheapest question first."""
    if find_spec("pytest_kind") is None:
        return "the extra svcproof[kind] is not installed"
    for command in ("docker", "kind"):
        if shutil.which(command) is None:
            return f"there is no {command} on PATH"
    try:
        asked = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "Docker does not answer"
    return "" if asked.returncode == 0 and asked.stdout.strip() else "no Docker daemon answers"
