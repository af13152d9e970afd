"""Planting: whatever happens in the middle, what was done is undone, in reverse order."""

from types import SimpleNamespace

import pytest

from svcproof.battery.topics import Topic
from svcproof.errors import ClusterProblem, HealFailed, NotSupported
from svcproof.faults import Fault, Scene, planted
from svcproof.faults.model import Undo
from svcproof.ports import CanStopNodes, ClusterFacts
from svcproof.recorder import Recorder

FACTS = ClusterFacts(
    name="fake",
    kind="fake",
    kubernetes_version="1.36.4",
    proxy_mode="iptables",
    families=("ipv4",),
    node_names=("node-1", "node-2"),
)


@pytest.fixture
def scene() -> Scene:
    return Scene(
        cluster=SimpleNamespace(facts=FACTS),  # no powers at all
        namespace="ns",
        run="r1",
        recorder=Recorder(None, run="r1", case="faults"),
        manifests=(),
        home="node-1",
        node="node-2",
    )


class Steps:
    """A fault of several steps, each of which can be made to fail when it is done or undone."""

    def __init__(self, *, doing: dict | None = None, undoing: dict | None = None) -> None:
        self.doing, self.undoing = doing or {}, undoing or {}
        self.log: list[str] = []

    def inject(self, scene: Scene, undo: Undo) -> None:
        for name in "abc":
            undo.register(f"{name} is broken", self._undo, name, by_hand=f"mend {name}")
            if name in self.doing:
                raise self.doing[name]
            self.log.append(f"do {name}")

    def _undo(self, name: str) -> None:
        self.log.append(f"undo {name}")
        if name in self.undoing:
            raise self.undoing.pop(name)

    def fault(self, **fields: object) -> Fault:
        return Fault(
            number=99,
            slug="steps",
            title="steps",
            symptom="none",
            red=frozenset({Topic.CHANGE}),
            found_by=frozenset({"responders"}),
            inject=self.inject,
            **fields,
        )


def events(scene: Scene) -> list[tuple[str, dict]]:
    return [(event.word, event.particulars) for event in scene.recorder.freeze().events]


def test_steps_are_undone_in_reverse_order(scene):
    steps = Steps()
    with planted(steps.fault(), scene):
        steps.log.append("inside")
    assert steps.log == ["do a", "do b", "do c", "inside", "undo c", "undo b", "undo a"]


def test_both_ends_are_events_of_the_history(scene):
    with planted(Steps().fault(), scene) as injected:
        assert [kind for kind, _ in events(scene)] == ["fault-injected"]
        assert scene.recorder.freeze().events == (injected,)
    (_, injected), (kind, healed) = events(scene)
    assert kind == "fault-healed"
    assert {name: injected[name] for name in ("number", "slug")} == {"number": 99, "slug": "steps"}
    assert healed["seconds"] >= 0
    assert "half_done" not in injected


def test_a_half_done_injection_is_undone_with_the_step_that_failed(scene):
    steps = Steps(doing={"b": ClusterProblem("no")})
    with pytest.raises(ClusterProblem, match="no"), planted(steps.fault(), scene):
        pytest.fail("the block must not be entered")
    assert steps.log == ["do a", "undo b", "undo a"]
    (_, injected), (kind, _) = events(scene)
    assert injected["half_done"] == "ClusterProblem: no"
    assert kind == "fault-healed"


@pytest.mark.parametrize("where", ["injecting", "inside"])
def test_ctrl_c_heals_first(scene, where):
    steps = Steps(doing={"c": KeyboardInterrupt()} if where == "injecting" else {})
    with pytest.raises(KeyboardInterrupt), planted(steps.fault(), scene):
        raise KeyboardInterrupt
    assert steps.log[-3:] == ["undo c", "undo b", "undo a"]
    assert events(scene)[-1][0] == "fault-healed"


def test_ctrl_c_while_healing_repeats_the_step_and_is_heeded_afterwards(scene):
    steps = Steps(undoing={"b": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt), planted(steps.fault(), scene):
        pass
    assert steps.log[3:] == ["undo c", "undo b", "undo b", "undo a"]
    assert events(scene)[-1][0] == "fault-healed"


def test_a_step_that_cannot_be_undone_does_not_stop_the_others(scene):
    steps = Steps(undoing={"b": ClusterProblem("the node is gone")})
    with pytest.raises(HealFailed) as failed, planted(steps.fault(), scene):
        pass
    assert steps.log[3:] == ["undo c", "undo b", "undo a"]
    assert failed.value.leftovers == (("b is broken: the node is gone", "mend b"),)
    assert "by hand: mend b" in str(failed.value)
    assert events(scene)[-1][1]["leftovers"] == ("b is broken: the node is gone",)


def test_an_error_of_the_block_survives_a_failed_healing(scene):
    steps = Steps(undoing={"a": ClusterProblem("no")})
    with pytest.raises(HealFailed) as failed, planted(steps.fault(), scene):
        raise ValueError("inside")
    assert isinstance(failed.value.__context__, ValueError)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"needs": (CanStopNodes,)}, "can stop nodes; this kind (fake) cannot"),
        ({"nodes": 3}, "it takes 3 nodes; there are 2"),
        ({"impossible": {"iptables": "there is no such thing"}}, "there is no such thing"),
    ],
    ids=["power", "nodes", "mode"],
)
def test_what_cannot_be_had_is_refused_with_its_reason(scene, fields, reason):
    steps = Steps()
    with pytest.raises(NotSupported) as refused, planted(steps.fault(**fields), scene):
        pass
    assert reason in str(refused.value)
    assert steps.log == []
    assert events(scene) == []
