"""What explains a run's findings: the smallest statement that covers them, or none.

``paths`` makes evidence of a run's rows, ``places`` says what can be broken, ``choice``
what explains the evidence without contradiction or rival, ``words`` says it. What the run
knows for certain comes first: ``changes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from svcproof.culprit.changes import changed_services
from svcproof.culprit.choice import ENOUGH, Candidate, choose, is_enough
from svcproof.culprit.delays import late_through
from svcproof.culprit.paths import Evidence, Pair, see
from svcproof.culprit.places import places
from svcproof.culprit.words import layer, look, statement
from svcproof.results import CaseResult, ClusterLine, Culprit, Problem

__all__ = ["culprits"]

_SHOWN = 4


def culprits(
    cases: Iterable[CaseResult],
    problems: Iterable[Problem] = (),
    *,
    cluster: ClusterLine | None = None,
) -> tuple[Culprit, ...]:
    """What explains nearly all that is red in these cases: one statement, two, or none.

    ``cluster``: where it is svcproof's own, its commands are named.
    """
    known = list(cases)
    evidence = see(known, problems)
    changed = changed_services(known)
    red = evidence.red.union(*changed.values())
    certain = tuple(_counted(each, pairs, red) for each, pairs in changed.items())
    explained: frozenset[Pair] = frozenset().union(*changed.values())
    if len(explained) >= ENOUGH * len(red):
        return certain
    return certain + _inferred(evidence, known, cluster)


def _counted(culprit: Culprit, explained: frozenset[Pair], red: frozenset[Pair]) -> Culprit:
    return msgspec.structs.replace(
        culprit,
        explains=len(explained),
        of=len(red),
        cases=len({case for case, _ in explained}),
        of_cases=len({case for case, _ in red}),
    )


def _inferred(
    evidence: Evidence, known: list[CaseResult], cluster: ClusterLine | None
) -> tuple[Culprit, ...]:
    suspects = list(places(evidence.paths))
    chosen = choose(evidence, suspects)
    late = late_through(evidence, suspects)
    if not chosen and late is not None and is_enough(evidence, late):
        chosen = (late,)
    left = evidence.red.difference(*(each.explained for each in chosen))
    embedded = cluster.name if cluster is not None and cluster.kind == "embedded" else ""
    return tuple(_told(each, evidence, known, left, embedded=embedded) for each in chosen)


def _told(
    found: Candidate,
    evidence: Evidence,
    cases: list[CaseResult],
    left: frozenset[Pair],
    *,
    embedded: str,
) -> Culprit:
    objects = sorted(found.names - set(_nodes(evidence)))
    return Culprit(
        statement=statement(found, evidence),
        nodes=tuple(sorted(set(_nodes(evidence)) & found.names)),
        objects=tuple(objects),
        layer=layer(found),
        explains=len(found.explained),
        of=len(evidence.red),
        cases=len({case for case, _ in found.explained}),
        of_cases=len({case for case, _ in evidence.red}),
        unexplained=tuple(_pair(pair, cases) for pair in sorted(left)[:_SHOWN]),
        look=look(found, embedded=embedded),
    )


def _nodes(evidence: Evidence) -> Iterator[str]:
    for path in evidence.paths:
        yield from (path.node, path.entry, path.at)


def _pair(pair: Pair, cases: list[CaseResult]) -> str:
    """A red pair in few words."""
    name, number = pair
    short = name.rpartition("::")[2]
    if number < 0:
        return short
    case = next(case for case in cases if case.case == name)
    cell = case.cells[number]
    client = f"{cell.kind} on {cell.node}" if cell.node else cell.kind
    entry = f" at {cell.entry_node}" if cell.entry_node else ""
    return f"{client} → {cell.service} by {cell.form}{entry} ({short})"
