"""All suites send from the same clients, and share one namespace unless a module says otherwise.

Pods are what costs time: with one namespace the clients and the web servers of
``webserver.yaml`` are started once for all, and all that will be needed starts at
once. A module that changes its Pods sets ``OWN_NAMESPACE = True``; its clients are
the same. ``APPS`` are the manifest files with the Deployments that a module's own
manifest does not have. Where there is one namespace for all (``--svc-namespace``), modules
take turns (:mod:`svcproof.turns`).

Cases begin before their turn and run side by side (:mod:`svcproof.fixtures.ahead`). The
cases of a module that change what others of it ask about follow each other: it sets
``IN_ORDER = True``. A module that is about refusals sets ``REFUSED = True``. One that
disturbs all others (``ALONE = True``) waits until they have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, TypeGuard

import pytest

from svcproof.app import Taken
from svcproof.errors import NotSupported, WaitExpired
from svcproof.fixtures.ahead import AHEAD, Ahead, can_begin_ahead
from svcproof.fixtures.app import ready_app
from svcproof.fixtures.measuring import Shared, open_run
from svcproof.limits import Limits
from svcproof.ports import CanBalanceLoad, CanTellRoom, ClusterFacts
from svcproof.testing import App, Clients, Cluster, Run, client_manifests_for, packaged_manifests
from svcproof.turns import Turn, Wish, next_turn, pods_of
from svcproof.waits import wait_for

#: Modules whose cases take longest begin first. They are asked for in this order: the Pods of
#: the last ones are slow to go.
LONGEST = (
    "emptied_service",
    "deleted_service",
    "kept_port",
    "endpoints",
    "affinity",
    "pinned_pod",
    "health_check",
    "change",
    "roll_out",
    "node_death",
    "load_balancer",
)
#: The first pass has the machine for itself for so long.
HEAD_START_SECONDS = 2.0
#: So many lanes are under way at once: of more, each waits for all others, and the longest end
#: the run alone. A guest is not there alone: all at once can starve the cluster's DNS.
LANES, GUEST_LANES = 24, 16
#: As long as Pods that linger may take.
_LEAVING_SECONDS = 35.0


@dataclass
class Suite:
    """The apps of all modules of this session, and the clients that send to them."""

    apps: Mapping[str, App]
    clients: Clients
    limits: Limits
    shared: Shared
    room: int | None  #: for Pods of the apps
    wishes: Mapping[str, Wish]  #: by module
    turn: Turn = field(default_factory=Turn)
    #: Whether a turn has come of which no case has begun.
    is_fresh: bool = False
    waiting: dict[str, Wish] = field(init=False)  #: those that have not had their turn
    _ready: dict[str, Future[App]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.waiting = dict(self.wishes)

    def begin(self, module: str, ahead: Ahead | None) -> None:
        """Now it is this module's turn, and that of all that may have theirs with it; those
        before them have ended, and what they made goes."""
        if module in self.turn.modules:
            return
        if ahead is not None:
            ahead.wait()
        ended = [self.apps[name] for name in self.turn.modules]
        for name in self.turn.modules:
            self._ready.pop(name, None)
        # pytest may come back to a module, in an order of somebody's own.
        first = self.waiting.pop(module, None) or self.wishes[module]
        self.turn, self.is_fresh = next_turn([first, *self.waiting.values()], self.room), True
        for name in self.turn.modules:
            self.waiting.pop(name, None)
        # Pods start in this order: first those of the modules whose cases take longest.
        apps = [self.apps[name] for name in sorted(self.turn.modules, key=_is_short)]
        kept = [item for app in apps for item in app.manifests]
        self._await_room({pod.uid for app in ended for pod in app.remove_all(but=kept)})
        for app in apps:
            app.apply_all()

    def _await_room(self, leaving: Collection[str]) -> None:
        """Some take half a minute to go, and count until they are gone."""
        if self.room is None or not leaving:
            return
        with suppress(WaitExpired):  # then the quota's own words say what is missing
            wait_for(
                "the Pods of other modules to go",
                partial(
                    _too_many, self.apps[self.turn.modules[0]], leaving, self.room - self.turn.pods
                ),
                limit=_LEAVING_SECONDS,
            )

    def open_run(self, item: pytest.Function) -> Run:
        """A case of one of the modules at work, once its app is ready."""
        return open_run(
            item, self.ready(item.module.__name__), self.clients, self.limits, self.shared
        )

    def ready(self, module: str) -> App:
        """The app of a module, once it is ready: that is waited for once."""
        with self._lock:
            is_first = module not in self._ready
            ready = self._ready.setdefault(module, Future())
        if is_first:
            try:
                app = self.apps[module]
                _refuse_refused(app)
                ready.set_result(ready_app(app))
            except BaseException as error:
                ready.set_exception(error)
        return ready.result()


def _too_many(app: App, uids: Collection[str], allowed: int) -> str:
    left = [pod.name for pod in app.snapshot().pods if pod.uid in uids]
    return ", ".join(left) if len(left) > max(allowed, 0) else ""


def _refuse_refused(app: App) -> None:
    """One object that the API server does not take costs the cases that need it."""
    for kind, name, error in app.refused:
        if error.is_forbidden:
            raise NotSupported(
                f"the API server refuses {kind} {name}: {error.what}", is_prevented=True
            )
        raise error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that end last are asked for last: pytest has taken note of all others by then."""
    here = Path(__file__).parent
    rank = {f"test_{stem}.py": place for place, stem in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, -1) if item.path.parent == here else -1)


@pytest.fixture(scope="session")
def modules(request: pytest.FixtureRequest) -> list[ModuleType]:
    """The modules of this session that have cases to run."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return list(dict.fromkeys(item.module for item in functions))


@pytest.fixture(scope="session")
def namespaces(modules: list[ModuleType], new_namespace: Callable[[], str]) -> Mapping[str, str]:
    """Module's name → its namespace; that of the clients, which most modules share, is at ""."""
    shared = new_namespace()
    own = {
        module.__name__: new_namespace()
        for module in modules
        if getattr(module, "OWN_NAMESPACE", False)
    }
    return {module.__name__: own.get(module.__name__, shared) for module in modules} | {"": shared}


@pytest.fixture(scope="session")
def suite(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    modules: list[ModuleType],
    namespaces: Mapping[str, str],
    run_id: str,
    limits: Limits,
    shared: Shared,
) -> Suite:
    """Clients and the first module's app are ready; the others' Pods start when that is measured.

    So do their Services: kube-proxy takes a second to learn of one.
    """
    late: set[str] = set()
    taken = Taken()

    def app_of(namespace: str, manifests: Sequence[Mapping[str, Any]]) -> App:
        return App(cluster, namespace, manifests, run=run_id, limits=limits, late=late, taken=taken)

    apps = {
        module.__name__: app_of(namespaces[module.__name__], _manifests(module))
        for module in modules
    }
    client_app = app_of(namespaces[""], client_manifests_for(cluster))
    client_app.apply()
    clients = Clients(client_app)
    one_for_all = bool(cluster.facts.namespace)
    if not one_for_all:
        apps[modules[0].__name__].apply_all()
    clients.wait_ready()
    room = None
    if one_for_all and isinstance(cluster, CanTellRoom):
        room = cluster.pods_left(cluster.facts.namespace)
    wishes = {
        module.__name__: Wish(
            module.__name__,
            pods_of(apps[module.__name__].manifests),
            alone=one_for_all and getattr(module, "OWN_NAMESPACE", False),
        )
        for module in modules
    }
    suite = request.config.stash[SUITE] = Suite(apps, clients, limits, shared, room, wishes)
    return suite


@pytest.fixture(scope="session")
def ahead(request: pytest.FixtureRequest, cluster: Cluster, suite: Suite) -> Iterator[Ahead | None]:
    """Runs cases before their turn; None where pytest's own order is wanted case by case."""
    config = request.config
    is_worker = hasattr(config, "workerinput")  # others work beside it already
    by_hand = config.getoption("usepdb") or config.getoption("trace")
    if is_worker or by_hand:
        yield None
        return
    at_once = LANES if cluster.facts.is_ours else GUEST_LANES
    ahead = config.stash[AHEAD] = Ahead(suite.open_run, at_once)
    yield ahead
    ahead.close()


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
def namespace(request: pytest.FixtureRequest, namespaces: Mapping[str, str]) -> str:
    """The shared namespace, or the module's own; all are deleted when the session ends."""
    return namespaces[request.module.__name__]


@pytest.fixture(scope="module")
def echo_app(request: pytest.FixtureRequest, suite: Suite, ahead: Ahead | None) -> App:
    """The module's app, as its manifests want it, and ready."""
    suite.begin(request.module.__name__, ahead)
    return suite.ready(request.module.__name__)


@pytest.fixture(scope="module")
def clients(suite: Suite) -> Clients:
    """The clients that all modules share."""
    return suite.clients


@pytest.fixture
def run(request: pytest.FixtureRequest, suite: Suite, ahead: Ahead | None) -> Iterator[Run]:
    """This case at work: it has begun already, unless it is its turn's first."""
    begun = None if ahead is None else ahead.run_of(request.node)
    if begun is not None:
        yield begun
        return
    app = request.getfixturevalue("echo_app")
    run = open_run(request.node, app, suite.clients, suite.limits, suite.shared)
    yield run
    run.recorder.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """With a turn's first case all others of it begin: those of the first pass at once, the
    rest soon."""
    ahead = pyfuncitem.config.stash.get(AHEAD, None)
    if ahead is not None and getattr(pyfuncitem.module, "ALONE", False):
        ahead.wait()
    if ahead is None or not _begins_ahead(pyfuncitem):
        return
    suite = pyfuncitem.config.stash[SUITE]
    if not suite.is_fresh:
        return
    suite.is_fresh = False
    first: Any = pyfuncitem.funcargs["run"]
    ahead.begin_with(pyfuncitem, first)
    items = [
        item
        for item in pyfuncitem.session.items
        if _begins_ahead(item)
        and item.module.__name__ in suite.turn.modules
        and not _follows(pyfuncitem, item)
        and not ahead.knows(item)
    ]
    quick = [item for item in items if item.get_closest_marker("svc_quick")]
    ahead.begin([[item] for item in quick])
    rest = [item for item in items if item not in quick]
    ahead.begin(_lanes(rest, first.app.cluster.facts), after_seconds=HEAD_START_SECONDS)


def _follows(first: pytest.Function, item: pytest.Item) -> bool:
    """Whether it is the first itself, or follows it in order: then it has its turn as ever."""
    in_order = getattr(first.module, "IN_ORDER", False)
    return item is first or (in_order and getattr(item, "module", None) is first.module)


def _begins_ahead(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return (
        can_begin_ahead(item)
        and item.path.parent == Path(__file__).parent
        and not getattr(item.module, "ALONE", False)
    )


def _lanes(items: Sequence[pytest.Function], facts: ClusterFacts) -> list[list[pytest.Function]]:
    """The cases of a module in order are one lane, every other case is one of its own.

    Where nodes limit their refusals, those that are refused share a lane: side by side they
    would use up what each may have, and be met with silence.
    """
    lanes: dict[str, list[pytest.Function]] = {}
    for item in items:
        lane = item.module.__name__ if getattr(item.module, "IN_ORDER", False) else item.nodeid
        if facts.limits_refusals and getattr(item.module, "REFUSED", False):
            lane = "refused"
        lanes.setdefault(lane, []).append(item)
    return sorted(lanes.values(), key=lambda lane: _is_short(lane[0].module.__name__))


def _is_short(module: str) -> bool:
    return not module.endswith(LONGEST)


def _manifests(module: ModuleType) -> list[Mapping[str, Any]]:
    """The module's Deployments, and the manifest file of its own name."""
    return [item for stem in _stems(module) for item in packaged_manifests(stem)]


def _stems(module: ModuleType) -> tuple[str, ...]:
    """The manifest files of a module: those of ``APPS``, and that of its own name."""
    own = module.__name__.rpartition("test_")[2]
    return (*getattr(module, "APPS", ("webserver",)), own)


SUITE = pytest.StashKey[Suite]()
