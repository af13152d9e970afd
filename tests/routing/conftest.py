"""All suites send from the same clients, and share one namespace unless a module says otherwise.

Pods are what costs time: with one namespace the clients and the web servers of
``webserver.yaml`` are started once for all. A module that changes its Pods sets
``OWN_NAMESPACE = True``; its clients are the same. ``APPS`` are the manifest files
with the Deployments that a module's own manifest does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from svcproof.limits import Limits
from svcproof.testing import App, Clients, Cluster, packaged_manifests


@pytest.fixture(scope="session")
def shared_namespace(new_namespace: Callable[[], str]) -> str:
    """Where the clients are, and the objects of all modules that share them."""
    return new_namespace()


@pytest.fixture(scope="session")
def client_app(cluster: Cluster, shared_namespace: str, run_id: str, limits: Limits) -> App:
    """The client Pods, one of each kind on every node."""
    app = App(cluster, shared_namespace, packaged_manifests("clients"), run=run_id, limits=limits)
    app.apply()
    return app


@pytest.fixture(scope="module")
def namespace(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    shared_namespace: str,
    new_namespace: Callable[[], str],
) -> Iterator[str]:
    """The shared namespace, or a fresh one."""
    if not getattr(request.module, "OWN_NAMESPACE", False):
        yield shared_namespace
        return
    name = new_namespace()
    yield name
    cluster.delete_namespace(name)


@pytest.fixture(scope="module")
def app_manifests(request: pytest.FixtureRequest) -> Sequence[Mapping[str, Any]]:
    """The module's Deployments, and the manifest file of its own name."""
    stems = (*getattr(request.module, "APPS", ("webserver",)), request.path.stem[len("test_") :])
    return [manifest for stem in stems for manifest in packaged_manifests(stem)]


@pytest.fixture(scope="module")
def client_manifests() -> Sequence[Mapping[str, Any]]:
    """None: the clients are there already."""
    return ()


@pytest.fixture(scope="module")
def clients(client_app: App, echo_app: App) -> Clients:
    """The clients that all modules share. They start while the first app does."""
    client_app.wait_ready()
    return Clients(client_app)
