"""The report in a real browser: Chromium opens it and has nothing to complain about."""

import msgspec
import pytest

from svcproof.events import Patched
from svcproof.history import Outcome
from svcproof.reporters.page import render, view_of
from svcproof.results import ClusterLine, Problem, RunResult, case_result
from svcproof.verdict import Finding, Status, Verdict
from tests.contract.chromium import NAMES, Chromium, program
from tests.unit.conftest import Story

pytestmark = pytest.mark.skipif(
    not program(), reason=f"no Chromium on PATH ({', '.join(NAMES)}): apt-get install -y chromium"
)

HOSTILE = "<img src=x onerror=alert(1)> </script>' \"--> \u202e " + "w" * 400


def story() -> Story:
    """Six clients and three entries, a change, and time-outs after it."""
    told = Story()
    for node in range(1, 7):
        told.client(f"a Pod on node-{node}", node=f"node-{node}")
        for entry in range(1, 4):
            told.dials(f"svc at node-{entry}", form="node-port", entry_node=f"node-{entry}")
            told.expect("a", "b", minimum=4, choice="random").answers(*"abab", connect_us=150)
    told.at(5).event(Patched(object="Service svc", changes=HOSTILE))
    return told.at(6).ends(Outcome.TIMED_OUT, 40, detail=HOSTILE).answers("c", connect_us=3_000_000)


def page_of(told: Story) -> str:
    history = told.history
    indices = tuple(
        entry.index for entry in history.observations if entry.outcome is Outcome.TIMED_OUT
    )
    finding = Finding(
        status=Status.FAIL,
        summary=f"reachability: 40 connections ended timed-out {HOSTILE}",
        where="a Pod on node-6 → svc at node-3",
        expected="answered",
        seen="timed-out (40)",
        indices=indices,
        remedy=HOSTILE,
    )
    bad = case_result(
        history, Verdict(Status.FAIL, 100, (finding,)), case="t", promise="It answers.", path="h"
    )
    good = msgspec.structs.replace(
        bad, case="u", promise="It also sings.", verdict="PASS", findings=()
    )
    run = RunResult(
        run="r1",
        exit_code=1,
        cluster=ClusterLine(
            name="c1",
            kind="embedded",
            kubernetes_version="1.36.4",
            proxy_mode="iptables",
            families=("ipv4", "ipv6"),
            nodes=6,
        ),
        cases=(bad, good),
        problems=(Problem(case="v", word="not supported", reason=HOSTILE, remedy="none"),),
        evidence=".svcproof/evidence/r1",
    )
    return render(view_of(run, lambda _: history))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page_of(story()))
    return path


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_without_complaints_and_fits(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    browser.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.complaints == []
    assert browser.ask("document.title").startswith("FAIL: ")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.images.length + document.scripts.length") == 0


def test_the_colours_follow_the_scheme(browser, page):
    grounds = []
    for dark in (False, True):
        browser.open(page, width=1280, dark=dark)
        grounds.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"]


def test_the_keyboard_reaches_what_can_be_opened(browser, page):
    browser.open(page, width=1280, dark=False)
    browser.press_tab()
    assert browser.ask("document.activeElement.className") == "skip"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0
    reached = set()
    for _ in range(60):
        browser.press_tab()
        reached.add(browser.ask("document.activeElement.tagName"))
        assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if {"A", "SUMMARY", "DIV"} <= reached:
            return
    pytest.fail(f"only {reached} could be reached")


def test_a_link_to_evidence_opens_the_table_that_is_folded(browser, page):
    browser.open(page, width=1280, dark=False)
    browser.ask("document.querySelector('dd a').click()")
    assert browser.ask("document.querySelector(':target').closest('details').open")
