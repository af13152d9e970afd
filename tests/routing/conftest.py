"""All suites send from the same clients, and share one namespace unless a module says otherwise.

Pods are what costs time: with one namespace the clients and the web servers of
``webserver.yaml`` are started once for all, and all that will be needed starts at
once. A module that changes its Pods sets ``OWN_NAMESPACE = True``; its clients are
the same. ``APPS`` are the manifest files with the Deployments that a module's own
manifest does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import ModuleType
from typing import Any

import pytest

from svcproof.limits import Limits
from svcproof.ports import CanBalanceLoad
from svcproof.testing import App, Clients, Cluster, client_manifests_for, packaged_manifests


@pytest.fixture(scope="session")
def modules(request: pytest.FixtureRequest) -> list[ModuleType]:
    """The modules of this session that have cases to run."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return list(dict.fromkeys(item.module for item in functions))


@pytest.fixture(scope="session")
def namespaces(modules: list[ModuleType], new_namespace: Callable[[], str]) -> Mapping[str, str]:
    """Module's name → its namespace; that of the clients, which most modules share, is at ""."""
    shared = new_namespace()
    own = {module.__name__: new_namespace() for module in modules if _has_its_own(module)}
    return {module.__name__: own.get(module.__name__, shared) for module in modules} | {"": shared}


@pytest.fixture(scope="session")
def start_all(
    cluster: Cluster,
    modules: list[ModuleType],
    namespaces: Mapping[str, str],
    run_id: str,
    limits: Limits,
) -> Callable[[], None]:
    """Makes, once, what all modules will need: it starts while the first is measured.

    That is their Pods, and their Services: kube-proxy takes a second to learn of one.
    """

    @cache
    def start() -> None:
        stems: dict[str, list[str]] = {}
        for module in modules:
            stems.setdefault(namespaces[module.__name__], []).extend(_stems(module))
        for namespace, wanted in stems.items():
            objects = [item for stem in dict.fromkeys(wanted) for item in packaged_manifests(stem)]
            App(cluster, namespace, objects, run=run_id, limits=limits).apply()

    return start


@pytest.fixture(scope="session")
def client_app(cluster: Cluster, namespaces: Mapping[str, str], run_id: str, limits: Limits) -> App:
    """The client Pods, one of each kind on every node."""
    clients = client_manifests_for(cluster)
    app = App(cluster, namespaces[""], clients, run=run_id, limits=limits)
    app.apply()
    return app


@pytest.fixture(scope="session")
def load_balancer(cluster: Cluster, modules: list[ModuleType]) -> Iterator[Callable[[], None]]:
    """Waits until LoadBalancer Services are served, if the cluster can do that.

    Where a module will need it, it is brought up while others are measured.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="svcproof-load-balancer") as pool:
        wanted = any(module.__name__.endswith("test_load_balancer") for module in modules)
        if wanted and isinstance(cluster, CanBalanceLoad):
            yield pool.submit(cluster.provide_load_balancer).result
        else:
            yield lambda: None


@pytest.fixture(scope="module")
def namespace(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    namespaces: Mapping[str, str],
    load_balancer: Callable[[], None],
) -> Iterator[str]:
    """The shared namespace, or the module's own, which is deleted after it."""
    name = namespaces[request.module.__name__]
    yield name
    if name != namespaces[""]:
        cluster.delete_namespace(name)


def _has_its_own(module: ModuleType) -> bool:
    return getattr(module, "OWN_NAMESPACE", False)


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
def clients(client_app: App, echo_app: App, start_all: Callable[[], None]) -> Clients:
    """The clients that all modules share."""
    client_app.wait_ready()
    start_all()
    return Clients(client_app)
