"""What is wrong for certain is said first: changed Services, and endpoints that are no Pods."""

from __future__ import annotations

from svcproof.cells import CellLine, EndpointsLine
from svcproof.culprit import culprits
from svcproof.results import CaseResult, FindingLine

CHANGED = FindingLine(
    status="FAIL",
    summary="objects: Service web was changed behind the run's back: spec.selector",
    where="Service web",
    expected="app=web",
    seen="app=shop",
)


def cell(service: str, verdict: str = "PASS") -> CellLine:
    return CellLine(
        kind="pod", node="node-1", form="cluster-ip", entry_node="", service=service,
        judged=66, failed=66 * (verdict == "FAIL"), verdict=verdict, promised=("answered",),
        endings={"refused" if verdict == "FAIL" else "answered": 66}, minimum=66,
    )  # fmt: skip


def case(name: str, *cells: CellLine, findings=(), endpoints=()) -> CaseResult:
    verdict = "FAIL" if findings or any(c.verdict == "FAIL" for c in cells) else "PASS"
    return CaseResult(
        case=name, promise=name, positions=(), forms=(), targets=(), judged=66, failed=0,
        verdict=verdict, history="", findings=findings, cells=cells, endpoints=endpoints,
    )  # fmt: skip


def test_a_changed_service_is_named_with_what_it_is_and_what_it_was():
    cases = [
        case("a", cell("web", "FAIL"), findings=(CHANGED,)),
        case("b", cell("web", "FAIL"), findings=(CHANGED,)),
        case("c", cell("shop")),
    ]
    (found,) = culprits(cases)
    assert found.statement == (
        "Service web was changed behind the run's back: spec.selector is app=shop, not app=web"
    )
    assert (found.objects, found.nodes, found.layer) == (("web",), (), "objects")
    assert (found.explains, found.of, found.cases, found.of_cases) == (4, 4, 2, 2)


def test_one_that_routes_all_the_same_is_named_as_well():
    (found,) = culprits([case("a", cell("web"), findings=(CHANGED,)), case("b", cell("shop"))])
    assert (found.objects, found.explains, found.of) == (("web",), 1, 1)


def test_endpoints_that_are_no_pods_are_named():
    lines = (EndpointsLine(service="web", listed=("a 1",), unexpected=("(no Pod) 10.1.1.9",)),)
    (found,) = culprits([case("a", cell("web", "FAIL"), endpoints=lines), case("b", cell("shop"))])
    assert found.statement == "EndpointSlices of Service web list 10.1.1.9, which is no Pod of it"
    assert (found.explains, found.of) == (2, 2)


def test_pods_that_are_not_ready_are_pods():
    lines = (EndpointsLine(service="web", listed=("a 1",), unexpected=("b 2",)),)
    assert not any(
        "no Pod" in found.statement
        for found in culprits([case("a", cell("web", "FAIL"), endpoints=lines)])
    )
