"""Services that somebody has changed: that is not inferred, the run knows how it had left them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from svcproof.culprit.paths import Pair
from svcproof.results import CaseResult, Culprit, FindingLine

__all__ = ["CHANGED", "changed_services"]

#: The pair that stands for what a case says of a Service's object.
CHANGED: Final = -102
_SAID: Final = re.compile(r"objects: Service (\S+) was changed behind the run's back: (\S+)")


def changed_services(cases: Iterable[CaseResult]) -> dict[Culprit, frozenset[Pair]]:
    """One statement for each Service, and what is red because of it."""
    known = list(cases)
    told: dict[str, dict[str, FindingLine]] = defaultdict(dict)
    red: dict[str, set[Pair]] = defaultdict(set)
    for case in known:
        for found in case.findings:
            if said := _SAID.match(found.summary):
                told[said[1]].setdefault(said[2], found)
                red[said[1]].add((case.case, CHANGED))
    for case in known:
        for service, pair in _red(case):
            if service in told:
                red[service].add(pair)
    return {_culprit(name, fields): frozenset(red[name]) for name, fields in told.items()}


def _red(case: CaseResult) -> Iterator[tuple[str, Pair]]:
    for number, cell in enumerate(case.cells):
        if cell.verdict == "FAIL":
            yield cell.service, (case.case, number)
    for number, line in enumerate(case.endpoints, 1):
        if line.missing or line.unexpected:
            yield line.service, (case.case, -number)


def _culprit(service: str, fields: dict[str, FindingLine]) -> Culprit:
    changes = "; ".join(
        f"{field} is {found.seen}, not {found.expected}" for field, found in fields.items()
    )
    return Culprit(
        statement=f"Service {service} was changed behind the run's back: {changes}",
        nodes=(),
        objects=(service,),
        layer="objects",
        explains=0,
        of=0,
        cases=0,
        of_cases=0,
        look=(f"kubectl get service {service} -o yaml --show-managed-fields",),
    )
