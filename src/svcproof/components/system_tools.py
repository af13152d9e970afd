"""Programs of the distribution: found, installed with apt, or named with what to type."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.packages import Manager, detect, install_with_apt
from svcproof.errors import MissingTool

__all__ = ["TOOLS", "FoundTool", "Tool", "ensure_system_tools", "look_for", "search_path"]

# A user's PATH on Debian has no sbin, and these programs are there.
_SYSTEM_DIRECTORIES: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, what it is for, and how to see that it is a usable one."""

    name: str
    purpose: str
    #: Prints its version.
    version: Sequence[str] = ("--version",)
    #: What its version text must match, and what to say when it does not.
    requirement: str = ""
    complaint: str = ""


TOOLS: Final = (
    Tool("iptables", "kube-proxy's iptables mode"),
    Tool("ip6tables", "kube-proxy's iptables mode, IPv6"),
    Tool("iptables-restore", "kube-proxy's iptables mode"),
    Tool("nft", "kube-proxy's nftables mode, and the cluster's own masquerading"),
    Tool(
        "runc",
        "containers",
        requirement=r"libseccomp: \d",
        complaint="it was built without seccomp, every Pod would fail",
    ),
    Tool(
        "unshare",
        "the namespaces of the nodes",
        requirement="util-linux",
        complaint="it is not util-linux', whose options are needed",
    ),
    Tool(
        "nsenter",
        "the namespaces of the nodes",
        requirement="util-linux",
        complaint="it is not util-linux', whose options are needed",
    ),
    Tool("mount", "file systems of nodes and Pods"),
    Tool("umount", "file systems of nodes and Pods"),
)


@dataclass(frozen=True, slots=True)
class FoundTool:
    """Where a tool is (``None``: nowhere), its version, and what is wrong with it ("": nothing)."""

    tool: Tool
    path: Path | None
    version: str
    problem: str


def search_path() -> str:
    """PATH with the directories of system programs appended."""
    own = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*own, *(name for name in _SYSTEM_DIRECTORIES if name not in own)])


def look_for(tool: Tool) -> FoundTool:
    """Find a tool and ask it for its version."""
    found = shutil.which(tool.name, path=search_path())
    if found is None:
        return FoundTool(tool, None, "", "not found")
    text = _output([found, *tool.version])
    suits = re.search(tool.requirement, text) is not None
    return FoundTool(tool, Path(found), _version_in(text), "" if suits else tool.complaint)


def ensure_system_tools(
    *,
    allow_install: bool = True,
    report: Callable[[str], None] = lambda _: None,
    tools: Sequence[Tool] = TOOLS,
) -> Mapping[str, Path]:
    """Path by name of every tool a cluster needs; missing ones are installed where apt can.

    Raises :class:`~svcproof.errors.MissingTool` with the command to type otherwise.
    """
    unusable = _unusable(tools)
    manager = detect()
    if unusable and allow_install and manager.name == "apt" and os.geteuid() == 0:
        packages = manager.packages_for(found.tool.name for found in unusable)
        report(f"installing {', '.join(packages)} with apt-get")
        failure = install_with_apt(packages)
        unusable = _unusable(tools)
        if unusable:
            raise _missing(unusable, manager, failure)
    elif unusable:
        raise _missing(unusable, manager, "")
    return {tool.name: Path(shutil.which(tool.name, path=search_path()) or "") for tool in tools}


def _unusable(tools: Iterable[Tool]) -> list[FoundTool]:
    """Presence costs nothing; only those with a requirement are run."""
    found = []
    for tool in tools:
        path = shutil.which(tool.name, path=search_path())
        if path and not tool.requirement:
            continue
        looked = look_for(tool)
        if looked.problem:
            found.append(looked)
    return found


def _missing(unusable: Sequence[FoundTool], manager: Manager, failure: str) -> MissingTool:
    what = "; ".join(
        f"{found.path or found.tool.name}: {found.problem} (for {found.tool.purpose})"
        for found in unusable
    )
    tail = f"\n  apt-get failed: {failure}" if failure else ""
    return MissingTool(
        f"programs that a cluster needs: {what}{tail}",
        remedy=manager.command_for(found.tool.name for found in unusable),
    )


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _version_in(text: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+\S*", text)
    return found[0].rstrip(",;)") if found else ""
