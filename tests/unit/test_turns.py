"""Which modules of a suite have their turn together."""

from hypothesis import given
from hypothesis import strategies as st

from svcproof.manifest_files import packaged_manifests
from svcproof.turns import Wish, next_turn, pods_of

#: For Pods that come while those that they replace are still there.
SPARE = 2


def wish(module, *, alone=False, **pods):
    return Wish(module, {("Deployment", name): n for name, n in pods.items()}, alone)


def test_with_room_for_all_everybody_has_the_turn_but_those_who_must_be_alone():
    wishes = [wish("a", web=3), wish("b", web=5, alone=True), wish("c", others=90)]
    assert next_turn(wishes, None).modules == ("a", "c")
    assert next_turn(wishes[1:], None).modules == ("b",)


def test_workloads_of_one_name_are_the_same():
    wishes = [wish("a", web=3), wish("b", web=3, lonely=1), wish("c", web=3, lonely=2)]
    assert next_turn(wishes, 6).modules == ("a", "b")
    assert next_turn(wishes, 7).modules == ("a", "b", "c")
    assert next_turn(wishes, 7).pods == 7  # two of them to spare


def test_a_later_one_that_fits_need_not_wait_for_one_that_does_not():
    wishes = [wish("a", web=3), wish("b", large=9), wish("c", small=1)]
    assert next_turn(wishes, 6).modules == ("a", "c")


def test_one_that_fits_nowhere_has_its_turn_all_the_same():
    """The quota's words will say what it lacks."""
    assert next_turn([wish("a", large=9), wish("b", small=1)], 3).modules == ("a",)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("vwxyz"), st.integers(0, 5), max_size=3), st.booleans()
        ),
        min_size=1,
        max_size=8,
    ),
    st.none() | st.integers(0, 20),
)
def test_every_module_has_exactly_one_turn(drawn, room):
    waiting = [wish(f"m{n}", alone=alone, **pods) for n, (pods, alone) in enumerate(drawn)]
    had: list[str] = []
    while waiting:
        turn = next_turn(waiting, room)
        assert turn.modules[0] == waiting[0].module
        alone = {each.module for each in waiting if each.alone}
        assert len(turn.modules) == 1 or not alone & set(turn.modules)
        together = {}
        for each in waiting:
            together |= each.pods if each.module in turn.modules else {}
        assert turn.pods == sum(together.values()) + SPARE
        assert room is None or turn.pods <= room or len(turn.modules) == 1
        had += turn.modules
        waiting = [each for each in waiting if each.module not in turn.modules]
    assert sorted(had) == [f"m{n}" for n in range(len(drawn))]


def test_the_pods_of_manifests():
    assert pods_of(packaged_manifests("webserver")) == {("Deployment", "hostname-deployment"): 3}
    assert pods_of(packaged_manifests("clusterip")) == {}
    assert pods_of([{"kind": "List", "metadata": {"name": "x"}}]) == {}
    bare = {"kind": "Deployment", "metadata": {"name": "x"}, "spec": None}
    assert pods_of([bare]) == pods_of([{**bare, "spec": {"replicas": None}}])
    assert pods_of([bare]) == {("Deployment", "x"): 1}
    assert pods_of([{**bare, "spec": {"replicas": 0}}]) == {("Deployment", "x"): 0}
