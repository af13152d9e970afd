"""pytest-kind's ``KindCluster``: the one module that knows of it.

pytest-kind is under the GPL, version 3: it is installed by those who want it
(``svcproof[kind]``), and nothing but this module imports it. It would download kind
v0.17, which cannot make current clusters; it is told which kind to call instead.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from svcproof.errors import EnvironmentProblem, StartFailed

__all__ = ["Engine", "require_pytest_kind"]

_LIMIT: Final = 120.0
_LOG_LINES: Final = 25


def require_pytest_kind() -> None:
    """Raise unless pytest-kind is installed."""
    from importlib.util import find_spec

    if find_spec("pytest_kind") is None:
        raise EnvironmentProblem(
            "kind clusters are made by pytest-kind, which is not installed"
            " (it is under the GPL, and so no part of svcproof)",
            remedy="pip install 'svcproof[kind]', or use --svc-cluster embedded",
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """kind, for one cluster; ``directory`` is for its kubeconfig, configuration and log."""

    name: str
    kind: Path
    kubectl: Path
    network: str
    directory: Path
    image: str = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "kubeconfig"

    @property
    def log(self) -> Path:
        """What kind says while it works."""
        return self.directory / "kind.log"

    def create(self, config: Path) -> None:
        """Create the cluster.

        Raises :class:`~svcproof.errors.StartFailed`: then nothing is left of its nodes.
        """
        cluster = self._cluster()
        try:
            cluster.create(config_file=config)
        except subprocess.CalledProcessError as error:
            raise StartFailed(
                "kind",
                "could not create the cluster",
                exit_code=error.returncode,
                log_lines=self._last_lines(),
                remedy="without a registry, make a node image first: svcproof kind-image",
            ) from error

    def delete(self) -> None:
        """Delete the cluster; one that is not there is no error."""
        self._cluster().delete()

    def load(self, archive: Path) -> None:
        """Import every image of an archive on every node, as kind does it."""
        command = [str(self._wrapper()), "load", "image-archive", f"--name={self.name}"]
        done = subprocess.run(
            [*command, str(archive)], capture_output=True, timeout=_LIMIT, check=False
        )
        if done.returncode:
            words = "\n".join(self._last_lines()[-5:])
            raise EnvironmentProblem(f"{archive} could not be loaded into {self.name}: {words}")

    def write_kubeconfig(self) -> None:
        """Of a cluster that is there already."""
        command = [str(self._wrapper()), "export", "kubeconfig", f"--name={self.name}"]
        command.append(f"--kubeconfig={self.kubeconfig}")
        done = subprocess.run(command, capture_output=True, timeout=_LIMIT, check=False)
        if done.returncode:
            words = " ".join(self._last_lines()[-3:])
            raise EnvironmentProblem(f"kind has no kubeconfig of cluster {self.name}: {words}")

    def _cluster(self) -> Any:
        from pytest_kind.cluster import KindCluster

        # It makes a directory below the current one, wherever that is.
        with contextlib.chdir(self.directory):
            return KindCluster(
                self.name,
                kubeconfig=self.kubeconfig,
                image=self.image or None,
                kind_path=self._wrapper(),
                kubectl_path=self.kubectl,
            )

    def _wrapper(self) -> Path:
        """A command that is kind with our network, and whose progress goes to the log.

        KindCluster passes on neither, and the environment of this process is not ours to change.
        It dies with this process where util-linux is there for it: what kind has made by then
        is removed by the next start, and nothing is added to it meanwhile.
        """
        path = self.directory / "kind"
        network = shlex.quote(self.network)
        path.write_text(
            "#!/bin/sh\n"
            "export KIND_EXPERIMENTAL_PROVIDER=docker\n"
            f"export KIND_EXPERIMENTAL_DOCKER_NETWORK={network}\n"
            "with=\n"
            "setpriv --pdeathsig KILL true 2>/dev/null && with='setpriv --pdeathsig KILL'\n"
            f'exec $with {shlex.quote(str(self.kind))} "$@" 2>>{shlex.quote(str(self.log))}\n',
            encoding="utf-8",
        )
        path.chmod(0o700)
        return path

    def _last_lines(self) -> list[str]:
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if line.strip()][-_LOG_LINES:]
