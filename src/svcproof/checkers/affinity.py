"""Does a client keep its Pod, for as long as session affinity says, and no longer?

Three questions, each asked of cells that say so:

* ``pin``, ``keep``: zero switches; one connection to another Pod is a failure.
* ``redraw``: after the affinity has expired the choice is a new one. One redraw
  may give the same Pod by chance, so all redraws of a history are judged
  together: that all of them equal the old choice has the probability k^-n.
* do the clients share one Pod without a reason? That n pinned choices out of k
  are all the same has the probability k^(1-n).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from svcproof.checkers.crowd import asks_each
from svcproof.checkers.responders import describe
from svcproof.history import Backend, Cell, History
from svcproof.stats import CELL_ALPHA, same_again_probability, same_choice_probability
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["affinity"]

_STICKY = ("pin", "keep")


def affinity(history: History) -> Verdict:
    """Every cell that asks for affinity keeps to it; clients do not collapse onto one Pod."""
    cells = history.cells
    asked = [cell for cell in cells if cell.expectation.affinity and not asks_each(cell)]
    previous = _previous(asked)
    findings = [
        *(found for cell in asked for found in _mistimed(cell, previous)),
        *(found for cell in asked for found in _switches(cell)),
        *(found for cell in asked for found in _losses(cell, previous)),
        *_never_redrawn(asked, previous),
        *_collapsed(asked),
    ]
    return judged(
        sum(len(cell.attempts.choices) for cell in asked), findings, _facts(asked, previous)
    )


class _Last(NamedTuple):
    """The last answer of a pair, and when its last attempt was."""

    backend: Backend
    at_ns: int


def _idle_ms(cell: Cell, previous: Mapping[int, _Last]) -> float | None:
    """How long the client made no connection before this cell; ``None`` if it never had."""
    before = previous.get(cell.expectation.index)
    if before is None or not cell.attempts:
        return None
    return (int(cell.attempts.at_ns.min()) - before.at_ns) / 1e6


def _is_timely(cell: Cell, previous: Mapping[int, _Last]) -> bool:
    """Whether the pause before the cell was what its question needs."""
    idle, kept = _idle_ms(cell, previous), cell.promise.affinity_ms
    if idle is None or not kept:
        return True
    return idle < kept if cell.expectation.affinity == "keep" else idle > kept


def _mistimed(cell: Cell, previous: Mapping[int, _Last]) -> Iterator[Finding]:
    if cell.expectation.affinity in ("keep", "redraw") and not _is_timely(cell, previous):
        idle, kept = (_idle_ms(cell, previous) or 0) / 1000, cell.promise.affinity_ms / 1000
        longer = "less" if cell.expectation.affinity == "keep" else "more"
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary=f"the client was idle for {idle:.2f} s, which tells nothing",
            where=cell.where,
            expected=f"{longer} than the time-out of {kept:g} s",
            seen=f"{idle:.2f} s",
            indices=(cell.expectation.index,),
            remedy="the machine was too slow or the clocks disagree: run again",
        )


def _first(cell: Cell) -> Backend | None:
    choices = cell.attempts.choices
    return cell.first(choices).backend if choices else None


def _previous(cells: Sequence[Cell]) -> dict[int, _Last]:
    """Expectation's index → the last answer that the same pair had in a cell before.

    Its time is that of the last attempt: one without an answer may have renewed the affinity.
    """
    last: dict[tuple[str, str], _Last] = {}
    previous: dict[int, _Last] = {}
    for cell in cells:
        pair = (cell.position.name, cell.target.name)
        if pair in last:
            previous[cell.expectation.index] = last[pair]
        latest = _latest(cell, last.get(pair))
        if latest is not None:
            last[pair] = latest
    return previous


def _latest(cell: Cell, before: _Last | None) -> _Last | None:
    """The last answer of a cell, or that before it, at the time of the cell's last attempt."""
    choices = cell.attempts.choices
    if choices:
        begins = choices.at_ns
        backend = cell.first(choices.where(begins == begins[-1])).backend
        before = before if backend is None else _Last(backend, int(begins[-1]))
    if before is None or not cell.attempts:
        return before
    return before._replace(at_ns=max(before.at_ns, int(cell.attempts.at_ns.max())))


def _switches(cell: Cell) -> Iterator[Finding]:
    if cell.expectation.affinity not in _STICKY:
        return
    found = cell.attempts.choices
    uids: dict[str, int] = {}
    pods = found.backend_numbers(lambda backend: uids.setdefault(backend.uid, len(uids)))
    switched = found.where((pods[1:] != pods[:-1]).nonzero()[0] + 1)
    if switched:
        counts: Counter[str] = Counter()
        for backend, number in found.backends.items():
            counts[describe(backend) if backend else ""] += number
        yield Finding(
            status=Status.FAIL,
            summary=f"the client changed its Pod {len(switched)} times in {len(found)} connections",
            where=cell.where,
            expected="one and the same Pod for all connections of a client (sessionAffinity "
            "ClientIP)",
            seen=", ".join(f"{pod} ({number})" for pod, number in counts.most_common()),
            indices=switched.indices,
            remedy="look whether the Service still says ClientIP and the rules of the entered node "
            "know it (xt_recent lists, nftables affinity sets), and whether the client's address "
            "changes on the way",
        )


def _losses(cell: Cell, previous: Mapping[int, _Last]) -> Iterator[Finding]:
    last, now = previous.get(cell.expectation.index), _first(cell)
    if cell.expectation.affinity != "keep" or now is None or not _is_timely(cell, previous):
        return
    before = last.backend if last is not None else None
    if before is None:
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary="nothing says which Pod the client had before",
            where=cell.where,
            indices=(cell.expectation.index,),
            remedy="see in the history how the connections before ended",
        )
    elif before.uid != now.uid:
        yield Finding(
            status=Status.FAIL,
            summary=f"the affinity was lost too early: {describe(before)}, then {describe(now)}",
            where=cell.where,
            expected=f"still {describe(before)}",
            seen=describe(now),
            indices=cell.attempts.choices.indices[:1],
            remedy="compare the Service's timeoutSeconds with the rules of the entered node; a "
            "connection must renew it (iptables `--set`, nftables `update`)",
        )


def _redraws(asked: Sequence[Cell], previous: Mapping[int, _Last]) -> list[tuple[Cell, bool]]:
    """Each redraw with an old and a new choice, and whether they are the same."""
    drawn = []
    for cell in asked:
        last, now = previous.get(cell.expectation.index), _first(cell)
        if cell.expectation.affinity != "redraw" or not _is_timely(cell, previous):
            continue
        if last is not None and now is not None:
            drawn.append((cell, last.backend.uid == now.uid))
    return drawn


def _never_redrawn(asked: Sequence[Cell], previous: Mapping[int, _Last]) -> Iterator[Finding]:
    drawn = _redraws(asked, previous)
    wanted = [cell for cell in asked if cell.expectation.affinity == "redraw"]
    if not wanted or any(not same for _, same in drawn):
        return
    backends = min(len(cell.promise.allowed) for cell in wanted)
    chance = same_again_probability(backends, len(drawn)) if drawn and backends else 1.0
    enough = chance <= CELL_ALPHA
    yield Finding(
        status=Status.FAIL if enough else Status.INCONCLUSIVE,
        summary=f"none of {len(drawn)} clients was given a new choice after the time-out"
        + ("" if enough else " (too few to tell from chance)"),
        where=", ".join(dict.fromkeys(cell.target.name for cell in wanted)),
        expected="the affinity has expired: a new choice, by chance the old Pod once in "
        f"{backends}",
        seen=f"the old Pod in {len(drawn)} of {len(drawn)}; by chance: {chance:.1e}",
        indices=tuple(cell.expectation.index for cell in wanted),
        remedy="compare the Service's timeoutSeconds with the rules of the entered node",
    )


def _collapsed(asked: Sequence[Cell]) -> Iterator[Finding]:
    pins = _independent(cell for cell in asked if cell.expectation.affinity == "pin")
    choices = Counter(first.uid for cell in pins if (first := _first(cell)) is not None)
    if len(choices) != 1 or len(pins) < 2:
        return
    backends = min(len(cell.promise.allowed) for cell in pins)
    chance = same_choice_probability(backends, len(pins)) if backends > 1 else 1.0
    if chance > CELL_ALPHA:
        return
    first = _first(pins[0])
    yield Finding(
        status=Status.FAIL,
        summary=f"all {len(pins)} clients share one Pod: {describe(first) if first else ''}",
        where=", ".join(dict.fromkeys(cell.target.name for cell in pins)),
        expected=f"different clients are spread over {backends} Pods",
        seen=f"one Pod for all; by chance: {chance:.1e}",
        indices=tuple(cell.expectation.index for cell in pins),
        remedy="the clients look like one to the node that chooses: look for masquerade or a proxy "
        "in front of it; see which source addresses the backends saw",
    )


def _independent(cells: Iterable[Cell]) -> list[Cell]:
    """The first of the cells with an answer in which one choice shows itself.

    A node remembers one choice for a client, a port and a family, by whatever name
    they dial it: asked twice it is no second choice.
    """
    chosen: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        target, position = cell.target, cell.position
        node = target.entry_node or position.node
        key = (position.name, target.service, target.port_name, target.family, node)
        if _first(cell) is not None:
            chosen.setdefault(key, cell)
    return list(chosen.values())


def _facts(asked: Sequence[Cell], previous: Mapping[int, _Last]) -> Iterator[Fact]:
    sticky = [cell for cell in asked if cell.expectation.affinity in _STICKY]
    if sticky:
        attempts = sum(len(cell.attempts.choices) for cell in sticky)
        clients = len({cell.position.name for cell in sticky})
        yield Fact("sticky connections", f"{attempts:,} of {clients} clients")
    choices = Counter(
        describe(first)
        for cell in asked
        if cell.expectation.affinity == "pin" and (first := _first(cell)) is not None
    )
    if choices:
        spread = ", ".join(f"{pod} ({number})" for pod, number in choices.most_common())
        yield Fact("choices of the clients", spread)
    drawn = _redraws(asked, previous)
    if drawn:
        changed = sum(not same for _, same in drawn)
        yield Fact("redrawn after expiry", f"{changed} of {len(drawn)} got another Pod")
