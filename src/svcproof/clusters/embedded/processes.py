"""Starting the programs of a cluster, each with its log, and watching them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.network import namespace_path
from svcproof.errors import StartFailed

__all__ = ["Component", "ProcessTable", "last_lines", "only_child"]

_LOG_TAIL: Final = 20
_STOP_LIMIT: Final = 30


@dataclass(frozen=True, slots=True)
class Component:
    """One running program; ``node`` is empty for the control plane's."""

    name: str
    node: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def label(self) -> str:
        """``NAME`` or ``NAME/NODE``."""
        return f"{self.name}/{self.node}" if self.node else self.name


class ProcessTable:
    """All programs of one cluster, started by its supervisor."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self.components: list[Component] = []
        self.node_inits: dict[str, int] = {}

    def start_in_namespace(self, name: str, command: Sequence[str], namespace: str) -> Component:
        """Start a program of the control plane in a network namespace."""
        prefix = ["nsenter", f"--net={namespace_path(namespace)}", "--"]
        return self._start(name, "", [*prefix, *command])

    def start_node(self, node: str, command: Sequence[str]) -> Component:
        """Start a node's init in namespaces of its own, in the node's network namespace.

        ``nsenter --net`` and not ``ip netns exec``: the latter mounts a fresh
        /sys, which hides the cgroups.
        """
        prefix = ["nsenter", f"--net={namespace_path(node)}", "--", "unshare"]
        prefix += ["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        return self._start("node", node, [*prefix, *command])

    def start_on_node(self, name: str, node: str, command: Sequence[str]) -> Component:
        """Start a program in all namespaces of a node that is up."""
        target = f"--target={self.node_inits[node]}"
        prefix = ["nsenter", target, "--net", "--mount", "--pid", "--uts", "--ipc", "--"]
        return self._start(name, node, [*prefix, *command])

    def check(self) -> None:
        """Raise :class:`StartFailed` for the first program that has ended."""
        for component in self.components:
            code = component.process.poll()
            if code is not None:
                raise self.failure(component, "ended during the start", exit_code=code)

    def failure(
        self, component: Component, reason: str, *, exit_code: int | None = None
    ) -> StartFailed:
        """The error for a component that failed, with the end of its log."""
        return StartFailed(
            component.label, reason, exit_code=exit_code, log_lines=last_lines(component.log)
        )

    def component(self, name: str, node: str = "") -> Component:
        """A component by name and node."""
        for component in self.components:
            if (component.name, component.node) == (name, node):
                return component
        raise KeyError(f"{name}/{node}")

    def stop(self, name: str, node: str = "") -> None:
        """End a program with SIGTERM, wait for it, and forget it."""
        component = self.component(name, node)
        component.process.terminate()
        component.process.wait(timeout=_STOP_LIMIT)
        self.components.remove(component)

    def process_numbers(self) -> dict[str, int]:
        """Label → process number of the program itself, in this PID namespace.

        On a node that is the one child of nsenter, which had to fork to enter
        the node's PID namespace.
        """
        return {
            component.label: only_child(component.process.pid)
            if component.node
            else component.process.pid
            for component in self.components
            if component.name != "node"
        }

    def _start(self, name: str, node: str, command: list[str]) -> Component:
        log = self._logs / (f"{name}-{node}.log" if node else f"{name}.log")
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        component = Component(name, node, process, log)
        self.components.append(component)
        return component


def last_lines(log: Path, count: int = _LOG_TAIL) -> list[str]:
    """The last lines of a log, without reading more of it than they can take."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 64 * 1024))
        return file.read().decode(errors="replace").splitlines()[-count:]


def only_child(process_number: int) -> int:
    """The program that nsenter or unshare forked to enter a PID namespace."""
    children = Path(f"/proc/{process_number}/task/{process_number}/children").read_text()
    return int(children.split()[0])
