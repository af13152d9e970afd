"""What the experiments stand on: a namespace, the notes' images, and clients to send from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from svcproof.app import App, Clients, client_manifests_for
from svcproof.context import Context, Workers
from svcproof.errors import ClusterProblem, NotSupported
from svcproof.images import ImageRecipe, write_images
from svcproof.limits import DEFAULT_LIMITS, Limits
from svcproof.manifest_files import load
from svcproof.patience import Patience
from svcproof.ports import CanLoadImages, Cluster
from svcproof.recorder import Recorder
from svcproof.waits import wait_for

__all__ = ["CLIENTS", "DEPLOYMENT", "NAMESPACE", "RUN", "Ground", "recipes"]

NAMESPACE: Final = "notes"
CLIENTS: Final = "notes-clients"
#: The mark on the notes' Pods, by which answers are told from strangers': it stands in
#: the manifests.
RUN: Final = "notes"
#: The web servers behind all Services.
DEPLOYMENT: Final = "hostname-deployment"


def recipes(program: Path) -> list[ImageRecipe]:
    """The notes' images, by their names, from the one program that is there.

    ``nginx:1.11`` is made to fail: its program does not understand its arguments.
    """
    return [
        _recipe(program, "docker.io/library/nginx:latest", "serve"),
        _recipe(program, "docker.io/library/nginx:1.11", "serve", "--port=none"),
        _recipe(program, "docker.io/alicek106/rr-test:echo-hostname", "serve"),
    ]


def _recipe(program: Path, reference: str, *command: str) -> ImageRecipe:
    return ImageRecipe(
        reference=reference,
        binary=program,
        install_as="/echo-hostname",
        entrypoint=("/echo-hostname",),
        command=command,
    )


class Ground:
    """The cluster with the notes' namespaces and images in it."""

    run = RUN

    def __init__(
        self,
        cluster: Cluster,
        manifests: Path,
        *,
        evidence: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.cluster = cluster
        self._evidence = evidence
        self._measured = 0
        self.limits = limits
        self._manifests = manifests
        self._patience = Patience()
        self._workers = Workers()

    def prepare(self, program: Path, directory: Path) -> None:
        """Bring the images, and make the namespaces.

        Raises :class:`~svcproof.errors.NotSupported` where the experiments could not happen.
        """
        facts = self.cluster.facts
        if facts.families != ("ipv4",) or len(facts.node_names) < 2:
            raise NotSupported(
                "the tour's outputs are those of IPv4 and at least two nodes, and this cluster has"
                f" {' and '.join(facts.families)} and {len(facts.node_names)} nodes",
                remedy="svcproof notes --ip-families ipv4 --nodes 3",
            )
        if not isinstance(self.cluster, CanLoadImages):
            raise NotSupported(
                "the notes' images cannot be brought to this cluster",
                remedy="let svcproof start one: svcproof notes",
            )
        archive = directory / "notes-images.tar"
        write_images(recipes(program), archive)
        self.cluster.load_image(archive)
        archive.unlink()
        for namespace in (NAMESPACE, CLIENTS):
            self._make(namespace)

    def next_history(self) -> Path | None:
        """The file for the next measurement's history, if they are kept."""
        self._measured += 1
        kept = self._evidence
        return None if kept is None else kept / f"measurement-{self._measured:02}.jsonl"

    @property
    def described(self) -> str:
        """The cluster in words."""
        facts = self.cluster.facts
        return (
            f"Kubernetes {facts.kubernetes_version}, kube-proxy {facts.proxy_mode},"
            f" {len(facts.node_names)} nodes, {' and '.join(facts.families)}"
        )

    def context(self, app: App, recorder: Recorder) -> Context:
        """What one measurement works with."""
        return Context(app, recorder, self.limits, self._patience, self._workers)

    def clear(self) -> None:
        """Take away what :meth:`prepare` made, and all that is in it."""
        self._workers.close()
        for namespace in (NAMESPACE, CLIENTS):
            self.cluster.delete_namespace(namespace)

    @cached_property
    def clients(self) -> Clients:
        """A Pod of each kind on every node, and the client outside."""
        app = App(
            self.cluster,
            CLIENTS,
            client_manifests_for(self.cluster),
            run=RUN,
            limits=self.limits,
        )
        app.apply()
        app.wait_ready()
        return Clients(app)

    def app(self, services: Iterable[str]) -> App:
        """The web servers and some Services, as kubectl applied them."""
        objects = [*self._objects("hostname-deployment")]
        for service in services:
            objects += self._objects(service)
        return App(self.cluster, NAMESPACE, objects, run=RUN, limits=self.limits)

    def alone(self, service: str) -> App:
        """A Service without any web servers."""
        objects = self._objects(service)
        return App(self.cluster, NAMESPACE, objects, run=RUN, limits=self.limits)

    def _objects(self, stem: str) -> tuple[Mapping[str, Any], ...]:
        return load(self._manifests / f"{stem}.yaml")

    def _make(self, namespace: str) -> None:
        """A tour that was ended before may have left its own: it is waited for."""
        self.cluster.delete_namespace(namespace)
        wait_for(
            f"the namespace {namespace} to be made afresh",
            lambda: _made(self.cluster, namespace),
            limit=self.limits.workload_ready,
        )


def _made(cluster: Cluster, namespace: str) -> str:
    try:
        cluster.create_namespace(namespace)
    except ClusterProblem as error:
        return str(error)
    return ""
