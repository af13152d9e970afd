"""Reports: data in, text out."""

from svcproof.reporters.findings import describe
from svcproof.reporters.terminal import render
from svcproof.results import CaseResult, ClusterLine, RunResult, case_result
from svcproof.verdict import Finding, Status, Verdict


def case(verdict: str = "PASS", *, node: int = 1, promise: str = "It answers.", failed: int = 0):
    return CaseResult(
        case=f"test_x[{node}]",
        promise=promise,
        positions=(("pod", f"a Pod on node-{node}"),),
        forms=("cluster-ip",),
        targets=("svc by ClusterIP",),
        judged=1000,
        failed=failed,
        verdict=verdict,
        history="h.jsonl",
    )


CLUSTER = ClusterLine(
    name="c1",
    kind="embedded",
    kubernetes_version="1.36.3",
    proxy_mode="nftables",
    families=("ipv4", "ipv6"),
    nodes=3,
    start_seconds=4.26,
)


def run(*cases: CaseResult, cluster: ClusterLine | None = CLUSTER, unsupported=()):
    return RunResult(cluster=cluster, cases=cases, unsupported=unsupported, evidence="dir")


def test_a_promise_is_one_row_over_all_its_cases():
    text = render(run(case(node=1), case(node=2)), width=72)
    assert text.splitlines() == [
        "cluster        embedded c1: Kubernetes 1.36.3, kube-proxy nftables, 3",
        "               nodes, IPv4 and IPv6; started in 4.3 s",
        "PASS           It answers.",
        "               from 2 Pods to ClusterIP: 2,000 connections, 0 failed",
        "evidence       dir (2 histories)",
    ]


def test_the_worst_case_gives_the_verdict():
    text = render(run(case(), case("INCONCLUSIVE"), case("FAIL", failed=3)), width=120)
    assert "FAIL           It answers." in text
    assert "3,000 connections, 3 failed; cases: 1 FAIL, 1 INCONCLUSIVE, 1 PASS" in text
    assert "INCONCLUSIVE   It answers." in render(run(case(), case("INCONCLUSIVE")))


def test_promises_are_apart():
    text = render(run(case(), case(promise="It also sings."), cluster=None))
    assert "It answers." in text
    assert "It also sings." in text
    assert "cluster" not in text


def test_the_unsupported_are_told():
    text = render(run(unsupported=("test_y: no outside client",)))
    assert "not supported  test_y: no outside client" in text
    assert "evidence" not in text


def test_no_line_is_wider_than_the_terminal():
    text = render(run(case(promise="word " * 60)), width=60)
    assert max(map(len, text.splitlines())) <= 60


def test_findings_say_everything():
    finding = Finding(
        status=Status.FAIL,
        summary="1 of 3 lost",
        where="here → there",
        expected="all",
        seen="2",
        indices=tuple(range(20)),
        remedy="look",
    )
    doubt = Finding(status=Status.INCONCLUSIVE, summary="who knows")
    verdict = Verdict(Status.FAIL, 3, (doubt, finding))
    assert describe(verdict, case="test_x[a]", history="h.jsonl").splitlines() == [
        "FAIL: test_x[a] (3 connections judged)",
        "  FAIL  1 of 3 lost",
        "    expected  all",
        "    seen      2",
        "    where     here → there",
        "    evidence  #0 #1 #2 #3 #4 #5 #6 #7 #8 #9 #10 #11 and 8 more",
        "    next      look",
        "  INCONCLUSIVE  who knows",
        "history: h.jsonl",
    ]


def test_a_case_reduced_to_a_row(story):
    story.expect("a").answers("a", "a")
    row = case_result(story.history, Verdict(Status.PASS, 2), case="t", promise="p", path="h.jsonl")
    assert row.positions == (("pod", "a Pod on n1"),)
    assert (row.judged, row.failed, row.verdict) == (2, 0, "PASS")


def test_unknown_attempts_are_not_counted_as_failed(story):
    from svcproof.history import Outcome

    story.expect("a").answers("a").ends(Outcome.UNKNOWN, 2).ends(Outcome.RESET, 3)
    row = case_result(story.history, Verdict(Status.FAIL, 6), case="t", promise="p", path="")
    assert (row.judged, row.failed) == (6, 3)
