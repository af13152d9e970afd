"""The docker command: what a kind cluster's nodes are containers of.

kind itself calls it, so it has to be there anyway, and it knows its contexts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from svcproof.errors import ClusterProblem, EnvironmentProblem, MissingTool

__all__ = ["Docker"]

_LIMIT: Final = 60.0
_ANSWER_LIMIT: Final = 15.0
_EMBEDDED: Final = "or take the cluster that needs no Docker: --svc-cluster embedded"


class Docker:
    """A Docker daemon that runs; :meth:`running` makes sure of that."""

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def running(cls) -> Docker:
        """The daemon that the docker command finds.

        Raises :class:`~svcproof.errors.EnvironmentProblem` when there is none.
        """
        program = shutil.which("docker")
        if program is None:
            raise MissingTool(
                "a kind cluster needs Docker, and there is no docker command here",
                remedy=f"install Docker, {_EMBEDDED}",
            )
        docker = cls(program)
        try:
            done = docker.attempt("info", "--format={{.ServerVersion}}", limit=_ANSWER_LIMIT)
            problem = done.stderr if done.returncode or not done.stdout.strip() else ""
        except subprocess.TimeoutExpired:
            problem = f"no answer within {_ANSWER_LIMIT:g} s"
        if problem:
            raise EnvironmentProblem(
                f"a kind cluster needs a Docker that runs: {_one_line(problem)}",
                remedy=f"start Docker, or see `docker info`; {_EMBEDDED}",
            )
        return docker

    def attempt(
        self, *arguments: str, limit: float = _LIMIT, text_input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One docker command, whatever becomes of it."""
        return subprocess.run(
            [self.program, *arguments],
            input=text_input,
            stdin=subprocess.DEVNULL if text_input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )

    def call(self, *arguments: str, limit: float = _LIMIT, text_input: str | None = None) -> str:
        """One docker command's output; :class:`~svcproof.errors.ClusterProblem` if it fails."""
        try:
            done = self.attempt(*arguments, limit=limit, text_input=text_input)
        except subprocess.TimeoutExpired as error:
            raise ClusterProblem(f"docker {arguments[0]} took more than {limit:g} s") from error
        if done.returncode:
            said = _one_line(done.stderr or done.stdout)
            raise ClusterProblem(f"docker {arguments[0]} ended with {done.returncode}: {said}")
        return done.stdout

    def prefix(self, container: str, *options: str) -> list[str]:
        """What a command begins with that is to run in a container."""
        return [self.program, "exec", *options, container]

    def cgroup_version(self) -> str:
        """ "1" or "2", as the daemon's machine has it."""
        return self.call("info", "--format={{.CgroupVersion}}").strip()

    def has_image(self, reference: str) -> bool:
        """Whether the daemon has the image."""
        return self.attempt("image", "inspect", reference).returncode == 0

    def inspect(self, kind: str, name: str) -> Mapping[str, Any]:
        """All that Docker knows of one of its objects."""
        found: list[Mapping[str, Any]] = json.loads(self.call(kind, "inspect", name))
        return found[0]

    def subnets(self, network: str) -> list[str]:
        """The address ranges of a network."""
        return [item["Subnet"] for item in self.inspect("network", network)["IPAM"]["Config"]]

    def labelled(self, kind: str, label: str, *options: str) -> list[str]:
        """Names of the objects of a kind that have a label (``KEY`` or ``KEY=VALUE``)."""
        name = "{{.Names}}" if kind == "container" else "{{.Name}}"
        arguments = [kind, "ls", f"--filter=label={label}", f"--format={name}", *options]
        return sorted(self.call(*arguments).split())

    def copy_in(self, source: Path, container: str, target: str) -> None:
        """Copy a file into a container, which need not run."""
        self.call("cp", str(source), f"{container}:{target}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[-400:]
