"""All suites send from the same clients, and share one namespace unless a module says otherwise.

Pods are what costs time: with one namespace the clients and the web servers of
``webserver.yaml`` are started once for all. A module that changes its Pods sets
``OWN_NAMESPACE = True``; its clients are the same. ``APPS`` are the manifest files
with the Deployments that a module's own manifest does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest

from svcproof.limits import Limits
from svcproof.testing import App, Clients, Cluster, packaged_manifests


@pytest.fixture(scope="session")
def shared_namespace(new_namespace: Callable[[], str]) -> str:
    """Where the clients are, and the objects of all modules that share them."""
    return new_namespace()


@pytest.fixture(scope="session")
def client_app(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    shared_namespace: str,
    run_id: str,
    limits: Limits,
) -> App:
    """The client Pods, one of each kind on every node.

    With them, the Pods that any of the modules to come will share: they start while
    the first is measured.
    """
    modules = {item.module for item in request.session.items if isinstance(item, pytest.Function)}
    shared = [module for module in modules if not getattr(module, "OWN_NAMESPACE", False)]
    stems = sorted({stem for module in shared for stem in _stems(module)})
    early = [manifest for stem in stems for manifest in packaged_manifests(stem)]
    workloads = [manifest for manifest in early if manifest["kind"] == "Deployment"]
    clients = packaged_manifests("clients")
    App(cluster, shared_namespace, [*clients, *workloads], run=run_id, limits=limits).apply()
    return App(cluster, shared_namespace, clients, run=run_id, limits=limits)


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
    return [item for stem in _stems(request.module) for item in packaged_manifests(stem)]


def _stems(module: ModuleType) -> tuple[str, ...]:
    """The manifest files of a module: those of ``APPS``, and that of its own name."""
    own = module.__name__.rpartition("test_")[2]
    return (*getattr(module, "APPS", ("webserver",)), own)


@pytest.fixture(scope="module")
def client_manifests() -> Sequence[Mapping[str, Any]]:
    """None: the clients are there already."""
    return ()


@pytest.fixture(scope="module")
def clients(client_app: App, echo_app: App) -> Clients:
    """The clients that all modules share."""
    client_app.wait_ready()
    return Clients(client_app)
