"""Objects that are wrong for certain: left otherwise by the run, or endpoints that are no Pods."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from svcproof.culprit.paths import Pair
from svcproof.results import CaseResult, Culprit

__all__ = ["CHANGED", "changed_services"]

#: The pair that stands for what a case says of a Service's object.
CHANGED: Final = -102
_SAID: Final = re.compile(r"objects: Service (\S+) was changed behind the run's back: (\S+)")


def changed_services(cases: Iterable[CaseResult]) -> dict[Culprit, frozenset[Pair]]:
    """One statement for each Service, and what is red because of it."""
    known = list(cases)
    told: dict[str, dict[str, str]] = defaultdict(dict)
    red: dict[str, set[Pair]] = defaultdict(set)
    for case in known:
        for found in case.findings:
            if said := _SAID.match(found.summary):
                told[said[1]][said[2]] = f"{said[2]} is {found.seen}, not {found.expected}"
                red[said[1]].add((case.case, CHANGED))
    strangers = _strangers(known)
    for case in known:
        for service, pair in _red(case):
            if service in told or service in strangers:
                red[service].add(pair)
    statements = {
        name: f"EndpointSlices of Service {name} list {', '.join(addresses)}, which is no Pod of it"
        for name, addresses in strangers.items()
    } | {
        name: f"Service {name} was changed behind the run's back: {'; '.join(fields.values())}"
        for name, fields in told.items()
    }
    return {_culprit(name, text): frozenset(red[name]) for name, text in statements.items()}


def _strangers(cases: Iterable[CaseResult]) -> dict[str, list[str]]:
    """Service → the addresses that its EndpointSlices list, and that no Pod has."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for case in cases:
        for line in case.endpoints:
            for name in line.unexpected:
                if name.startswith("(no Pod) "):
                    found[line.service][name.removeprefix("(no Pod) ")] = None
    return {service: list(addresses) for service, addresses in found.items()}


def _red(case: CaseResult) -> Iterator[tuple[str, Pair]]:
    for number, cell in enumerate(case.cells):
        if cell.verdict == "FAIL":
            yield cell.service, (case.case, number)
    for number, line in enumerate(case.endpoints, 1):
        if line.missing or line.unexpected:
            yield line.service, (case.case, -number)


def _culprit(service: str, statement: str) -> Culprit:
    return Culprit(
        statement=statement,
        nodes=(),
        objects=(service,),
        layer="objects",
        explains=0,
        of=0,
        cases=0,
        of_cases=0,
        look=(
            f"kubectl get service {service} -o yaml --show-managed-fields",
            f"kubectl get endpointslices -l kubernetes.io/service-name={service} -o yaml",
        ),
    )
