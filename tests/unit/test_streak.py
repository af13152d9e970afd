"""So many right attempts in a row, by everybody due, and what breaks them."""

from hypothesis import given
from hypothesis import strategies as st

from svcproof.expect import Promise
from svcproof.history import Attempt, Backend, Outcome
from svcproof.streak import Streak


def backend(name: str) -> Backend:
    return Backend(pod=name, uid=f"uid-{name}")


def answer(name: str, **fields) -> Attempt:
    return Attempt(at_ns=1, outcome=Outcome.ANSWERED, backend=backend(name), **fields)


def ended(outcome: Outcome, **fields) -> Attempt:
    return Attempt(at_ns=1, outcome=outcome, **fields)


def due(*pods: str, **fields) -> Promise:
    values = {"outcome": Outcome.ANSWERED, "rule": ""} | fields
    return Promise(allowed=tuple(map(backend, pods)), **values)


def told(streak: Streak, *attempts: Attempt) -> str:
    """What is missing after all of these."""
    missing = streak.missing
    for attempt in attempts:
        missing = streak.add(attempt)
    assert missing == streak.missing
    return missing


def test_nothing_has_not_settled():
    assert told(Streak(due("a"), 1)) == "0 right answers in a row, none by a"
    assert told(Streak(due(outcome=Outcome.REFUSED), 1)) == "only 0 right answers in a row"


def test_so_many_in_a_row_by_everybody_have_settled():
    assert told(Streak(due("a", "b"), 3), answer("a"), answer("b"), answer("a")) == ""


def test_one_too_few_has_not():
    assert told(Streak(due("a"), 3), answer("a"), answer("a")) == "only 2 right answers in a row"


def test_who_is_missing_is_named():
    streak = Streak(due("c", "a", "b"), 2)
    assert told(streak, answer("a"), answer("a")) == "2 right answers in a row, none by b, c"


def test_nobody_is_missed_where_not_all_have_to_answer():
    assert told(Streak(due("a", "b", cover=False), 2), answer("a"), answer("a")) == ""


def test_a_wrong_ending_begins_it_anew():
    streak = Streak(due("a", "b"), 2)
    told(streak, answer("a"), answer("b"))
    lost = ended(Outcome.TIMED_OUT, detail="no SYN-ACK")
    assert told(streak, lost) == "a connection ended timed-out (no SYN-ACK)"
    assert (streak.good, streak.attempts) == (0, 3)
    assert told(streak, answer("a")) == "1 right answers in a row, none by b"
    assert told(streak, answer("b")) == ""
    assert told(streak, ended(Outcome.UNKNOWN)) == "a connection ended unknown (no detail)"


def test_a_wrong_or_nameless_answer_breaks_it():
    assert told(Streak(due("a"), 1), answer("x")) == "an answer by x"
    assert told(Streak(due("a"), 1), ended(Outcome.ANSWERED)) == "an answer by nobody"


def test_failures_settle_where_they_are_due_in_any_way_that_is():
    refused = due(outcome=Outcome.REFUSED, also=(Outcome.TIMED_OUT,))
    endings = (ended(Outcome.REFUSED), ended(Outcome.TIMED_OUT))
    assert told(Streak(refused, 2), *endings) == ""
    assert told(Streak(refused, 2), *endings, answer("a")).startswith("a connection ended answered")


def test_pinned_to_one_backend_whichever_it_is():
    pinned = due("a", "b", cover=False)
    assert told(Streak(pinned, 2, pinned=True), answer("b"), answer("b")) == ""
    streak = Streak(pinned, 2, pinned=True)
    assert told(streak, answer("a"), answer("b")) == "another backend than before: b"
    assert told(streak, answer("b"), answer("b")) == ""


def test_answers_settle_by_what_they_say():
    records = Promise(outcome=Outcome.ANSWERED, rule="", answers=("x A 1", "p SRV 0 100 80 h"))
    right = ended(Outcome.ANSWERED, answers=("p SRV 5 1 80 h", "x A 1"))
    assert told(Streak(records, 1), right) == ""
    wrong = ended(Outcome.ANSWERED, answers=("x A 2", "x A 3"))
    assert told(Streak(records, 1), wrong) == "the answer x A 2; x A 3"
    assert told(Streak(records, 1), ended(Outcome.ANSWERED)) == "the answer was empty"


def test_source_addresses_settle_as_well():
    kept = due("a", sources=("10.0.0.9",))
    assert told(Streak(kept, 1), answer("a", source_address="10.0.0.9")) == ""
    assert told(Streak(kept, 1), answer("a", source_address="192.0.2.1")) == (
        "a backend saw the source address 192.0.2.1"
    )
    assert told(Streak(kept, 1), answer("a")) == "a backend saw the source address (not told)"
    hidden = due("a", not_sources=("10.0.0.9",))
    assert "10.0.0.9" in told(Streak(hidden, 1), answer("a", source_address="10.0.0.9"))
    assert told(Streak(hidden, 1), answer("a", source_address="192.0.2.1")) == ""


def test_an_answer_by_the_clients_own_pod_says_nothing_of_addresses():
    kept = due("a", sources=("10.0.0.9",))
    by_itself = answer("a", source_address="192.0.2.1")
    assert told(Streak(kept, 1, own_pod="a"), by_itself) == ""
    assert told(Streak(kept, 1, own_pod="b"), by_itself) != ""


def test_a_batch_is_likely_enough_to_complete_it():
    assert Streak(due(*"abcd"), 30).batch == 40
    assert Streak(due(*"ab"), 30).batch == 30
    assert Streak(due(*"abcd", cover=False), 3).batch == 3


attempts = st.lists(
    st.sampled_from([*map(answer, "abx"), ended(Outcome.REFUSED), ended(Outcome.UNKNOWN)]),
    max_size=12,
)


@given(attempts, st.integers(1, 4))
def test_settled_means_that_the_last_ones_were_right_and_by_everybody(history, length):
    streak = Streak(due("a", "b"), length)
    told(streak, *history)
    row = []
    for attempt in reversed(history):
        if attempt.backend is None or attempt.backend.pod == "x":
            break
        row.append(attempt.backend.pod)
    assert (streak.missing == "") == (len(row) >= length and set(row) == {"a", "b"})
    assert (streak.good, streak.attempts) == (len(row), len(history))


@given(attempts, st.integers(1, 4))
def test_a_streak_is_not_longer_for_what_came_before_a_break(history, length):
    fresh, late = Streak(due("a", "b"), length), Streak(due("a", "b"), length)
    told(late, answer("a"), answer("b"), ended(Outcome.REFUSED), *history)
    told(fresh, ended(Outcome.REFUSED), *history)
    assert (late.good, late.seen, late.missing) == (fresh.good, fresh.seen, fresh.missing)


def test_what_answers_otherwise_may_only_be_late():
    for promise, attempt, is_stale in (
        (due("a"), answer("b"), True),
        (due(outcome=Outcome.REFUSED), answer("a"), True),
        (due("a"), ended(Outcome.REFUSED), False),
        (due("a"), ended(Outcome.TIMED_OUT), False),
        (due(answers=("x A 1",)), ended(Outcome.ANSWERED, answers=("x A 2",)), False),
    ):
        streak = Streak(promise, 1)
        streak.add(attempt)
        assert streak.is_stale is is_stale
