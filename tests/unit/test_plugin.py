"""The plugin from outside: what users type, and what they get to see."""

import json
import re
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest

from svcproof.cli.judge import judge_file
from svcproof.clusters import fake, fake_defects, registry
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import MissingTool
from svcproof.history_reader import decode_lines
from svcproof.limits import Limits
from svcproof.manifest_files import patched

SUITES = str(files("svcproof") / "suites")

MINE = """
import pytest

@pytest.mark.positions({positions})
@pytest.mark.targets({targets})
def test_mine(position, target, measure, judge):
    '''My Service answers.

    (More that is not the promise.)
    '''
    measure([(position, target)])
    judge()
"""

CONFTEST = """
import pytest
from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.fake_defects import *
from svcproof.limits import Limits

CLUSTER = FakeCluster(nodes=3, defects=[{defects}])

@pytest.fixture(scope="session")
def cluster():
    return CLUSTER

@pytest.fixture(scope="session")
def limits():
    return Limits(convergence=0.05, workload_ready=0.2, endpoints=0.2)

{more}
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Runs pytest on a directory of its own, with nothing of this repository's settings."""

    def start(*arguments: str, cluster: str = "fake") -> pytest.RunResult:
        chosen = [f"--svc-cluster={cluster}"] if cluster else []
        return pytester.runpytest("-p", "no:cacheprovider", *chosen, *arguments)

    return start


@pytest.fixture
def mine(pytester: pytest.Pytester):
    """A user's own test, and a cluster of the user's own with planted defects."""

    def write(
        *,
        defects: str = "",
        positions: str = "'pod'",
        targets: str = "'cluster-ip'",
        more: str = "",
        module: str = "test_mine",
    ) -> None:
        text = MINE.format(positions=positions, targets=targets)
        pytester.makepyfile(**{module: text})
        pytester.makeconftest(CONFTEST.format(defects=defects, more=more))

    return write


def plant(monkeypatch: pytest.MonkeyPatch, defect: str, *, convergence: float = 0.2) -> None:
    """Have the session's cluster broken in this way, and do not wait for it to get better."""
    broken = eval(defect, vars(fake_defects))  # noqa: S307  (it stands in this file)
    monkeypatch.setenv("COLUMNS", "200")
    limits = Limits(workload_ready=0.3, endpoints=0.3, convergence=convergence)
    monkeypatch.setattr(registry, "open_cluster", lambda *_: FakeCluster(defects=[broken]))
    monkeypatch.setattr(fake, "LIMITS", limits)


def flat(text: str) -> str:
    """Text as if it had not been wrapped."""
    return " ".join(text.split())


def junit_properties() -> dict[str, str]:
    items = ElementTree.parse("out.xml").iter("property")
    return {item.get("name", ""): item.get("value", "") for item in items}


def histories(pytester: pytest.Pytester) -> list[Path]:
    return sorted((pytester.path / ".svcproof" / "evidence").rglob("*.jsonl"))


class TestTheSuites:
    def test_all_of_them(self, run):
        # What is about time-outs takes them, on the fake as well.
        result = run("-q", SUITES, "--svc-slow", "-k", "not over_time")
        assert result.ret == 0
        result.stdout.re_match_lines(
            [
                r"=+ what this run proved =+",
                r"cluster        fake fake: Kubernetes 1\..*, kube-proxy iptables, 3 nodes, IPv4.*",
                r"PASS           A ClusterIP Service answers everywhere inside.*",
                r".*from 3 Pods and 3 host networks to ClusterIP, short name, FQDN:.*",
                r"not supported  test_readiness_flip: commands cannot be run.*",
                r"not supported  test_cluster, test_local, test_source_ranges, test_from_inside:",
                r" +LoadBalancer Services stay pending.*",
                r"evidence       \.svcproof/evidence/[0-9a-f]{6} \(\d+ histories\)",
                r"\d+ passed, \d+ skipped.* in .*",
            ],
            consecutive=False,
        )
        result.stdout.no_re_match_line(r"(FAIL|INCONCLUSIVE)\s")

    @pytest.mark.parametrize("shape", ["--svc-nodes=1", "--svc-ip-families=dual"])
    def test_in_other_shapes(self, run, shape):
        result = run("-q", SUITES, shape, "-k", "not test_change and not shares")
        assert result.ret == 0

    def test_every_case_is_named_in_words(self, run):
        result = run("-v", SUITES, "--svc-nodes=1", "-k", "clusterip or nodeport or endpoints")
        for name in (
            "test_clusterip[from a Pod on node-1, by ClusterIP]",
            "test_clusterip[from the host network of node-1, by short name]",
            "test_nodeport[from outside the cluster, at node-1]",
            "test_endpoints[1 to 5 replicas]",
        ):
            result.stdout.fnmatch_lines([f"*{name.replace('[', '[[]')} PASSED*"])

    def test_both_families_where_the_cluster_has_both(self, run):
        result = run("-v", SUITES, "--svc-ip-families=dual", "-k", "test_clusterip and node-2")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*from a Pod on node-2, by FQDN over IPv6? PASSED*"])

    def test_every_history_can_be_read_again(self, run, pytester):
        run("-q", SUITES, "-k", "test_nodeport.py and not every_address")
        found = histories(pytester)
        assert len(found) == 5
        for path in found:
            with path.open("rb") as file:
                history = decode_lines(file, source=str(path))
            assert history.header.cluster["proxy_mode"] == "iptables"
            assert [event.word for event in history.events].count("converged") >= 1
            assert all(len(cell.observations) == 66 for cell in history.cells)

    def test_a_case_that_is_not_supported_says_so_in_its_history(self, run, pytester):
        # The first of a session, and one that began ahead.
        run("-q", SUITES, "-k", "test_at_every_address or test_each_server")
        found = [judge_file(path) for path in histories(pytester)]
        assert len(found) == 3
        assert {item.exit_code for item in found} == {0}
        assert all(item.not_asked for item in found)

    def test_the_cases_of_a_kept_cluster_are_its_own(self, run, monkeypatch):
        """With --svc-name the nodes are those of the cluster, whatever the options say."""
        monkeypatch.setattr(registry, "open_cluster", lambda *_: FakeCluster(nodes=2))
        result = run("-q", SUITES, "--svc-name=kept", "--svc-nodes=5", "-k", "test_nodeport[")
        assert result.parseoutcomes()["passed"] == 2


class TestCasesAhead:
    """The suites' cases begin before their turn; pytest's own manners stay."""

    def test_the_report_is_in_pytests_order_and_the_first_look_comes_first(self, run):
        result = run("-v", SUITES, "-k", "test_dns or test_topology or first_look or clusterip")
        named = re.findall(r"(test_\w+)\.py::", result.stdout.str())
        first, *others = dict.fromkeys(named)
        assert first == "test_first_look"
        assert len(others) > 3
        assert others == sorted(others)

    def test_the_first_pass_alone(self, run):
        result = run("-q", SUITES, "--svc-quick")
        assert result.parseoutcomes()["passed"] == 6
        assert result.parseoutcomes()["deselected"] > 50

    def test_a_first_pass_of_nothing_says_so(self, run):
        result = run("-q", SUITES, "--svc-quick", "-k", "no_such_case")
        assert result.ret == 4
        result.stdout.fnmatch_lines(["svcproof: no case was selected by -k 'no_such_case'*"])

    def test_the_first_failure_ends_it_where_that_is_wanted(self, run, monkeypatch):
        plant(monkeypatch, "DeadEndpoint()")
        result = run("-q", "-x", SUITES, "-k", "first_look or clusterip or dns")
        assert result.ret == 1
        assert result.parseoutcomes()["failed"] == 1
        assert "stopping after 1 failures" in result.stdout.str()
        assert not [each for each in threading.enumerate() if "svcproof-lane" in each.name]

    def test_what_failed_last_is_run_again_alone(self, monkeypatch, pytester):
        plant(monkeypatch, "DeadEndpoint()")
        arguments = ("-q", "--svc-cluster=fake", SUITES, "-k", "test_by_name or test_alias")
        failed = pytester.runpytest(*arguments)
        again = pytester.runpytest("--lf", *arguments)
        assert failed.parseoutcomes()["failed"] == again.parseoutcomes()["failed"] == 1
        assert "passed" not in again.parseoutcomes()

    def test_bad_news_of_the_first_pass_is_on_the_screen_before_its_verdict(self, run, monkeypatch):
        plant(monkeypatch, "DeadEndpoint()")
        text = run("-v", SUITES, "--svc-quick").stdout.str()
        early = text.index("✗ not so far: a Pod on ")
        assert early < text.index("test_cluster_ip FAILED")


class TestPlantedDefects:
    """Each defect turns its case red, and the message points at the cause."""

    @pytest.mark.parametrize(
        ("defect", "cases", "line"),
        [
            (
                "DeadEndpoint()",
                "test_nodeport[",
                "reachability: * of 66 connections ended timed-out",
            ),
            ("MissingResponder()", "test_nodeport[", "responders: never answered: hostname-*"),
            ("Stranger()", "test_nodeport[", "responders: a stranger answered: somebody-*"),
            (
                "RefusedNodePort('node-2')",
                "test_same_port",
                "reachability: 66 of 66 connections ended refused",
            ),
            (
                "StaleEndpoints()",
                "test_endpoints[",
                "responders: never answered: hostname-*",
            ),
            (
                "FrozenSlices()",
                "test_endpoints[",
                "endpoints: the EndpointSlices lack ready Pods: *",
            ),
            (
                "LeakingLocal()",
                "test_local_without",
                "reachability: 10 of 10 connections ended answered",
            ),
            (
                "LeakingLocal()",
                "test_own_node",
                "responders: answered by a Pod that should not get *",
            ),
            (
                "WrongRefusal()",
                "test_no_endpoints",
                "reachability: 10 of 10 connections ended timed-out",
            ),
            (
                "WrongRefusal()",
                "test_none_on_this_node",
                "reachability: 10 of 10 connections ended refused",
            ),
            ("LostSource()", "test_local_keeps", "sources: the client's address is lost in *"),
            (
                "LostSource(hidden=False)",
                "test_cluster_answers",
                "sources: the client's address is kept in *",
            ),
            (
                "SkewedChoice(0.5)",
                "test_node_port_shares",
                "distribution: the connections are not shared equally: *",
            ),
            (
                "AffinityIgnored()",
                "test_affinity.py and test_affinity",
                "affinity: the client changed its Pod * times in 66 *",
            ),
            (
                "OnePodForAll()",
                "test_affinity.py and test_affinity",
                "affinity: all * clients share one Pod: *",
            ),
            (
                "ForgetfulAffinity()",
                "test_many_clients",
                "crowd: * of 64 clients changed their Pod",
            ),
            ("WrongAlias()", "test_alias[short", "answers: 10 of 10 answers are wrong: *stale*"),
            ("LyingHealthCheck()", "test_health_check", "answers: 10 of 10 answers are wrong: *"),
            ("SlowConnects()", "test_same_port", "latency: packets are lost: * of 198 *"),
            ("LaxApiServer()", "test_range", "api: the API server accepted a node port of 29999"),
        ],
    )
    def test_is_found(self, run, monkeypatch, defect, cases, line):
        plant(monkeypatch, defect)
        result = run("-q", SUITES, "--svc-slow", "-k", cases)
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"*FAIL  {line}", "*expected *", "*next *"])

    def test_what_is_known_exactly_fails_nothing(self, run, monkeypatch):
        plant(monkeypatch, "LastingFlows()")
        result = run("-q", SUITES, "-k", "test_emptied_service", "--junitxml=out.xml", "-rK")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                "KNOWN *is refused when no Pod is left*",
                "*known deviation: udp-flows-of-an-emptied-service: *",
                "*silence instead of a refusal*/139628)",
                "*1 known*",
            ]
        )
        (skipped,) = ElementTree.parse("out.xml").iter("skipped")
        assert "known as udp-flows-of-an-emptied-service" in skipped.get("message", "")
        (path,) = Path(".svcproof/evidence").glob("*/results.json")
        (case,) = json.loads(path.read_text())["cases"]
        assert (case["verdict"], case["findings"][0]["status"]) == ("KNOWN", "KNOWN")
        assert "KNOWN" in (path.parent / "report.html").read_text()
        (history,) = path.parent.glob("*.jsonl")
        assert judge_file(history).comparison == "as in the run"

    @pytest.mark.parametrize(
        ("defect", "options"),
        [
            ("LastingFlows()", ["--svc-strict"]),
            ("LastingFlows(frozenset({'node-1'}))", []),
        ],
        ids=["strict", "less than is known"],
    )
    def test_what_is_not_exactly_that_fails(self, run, monkeypatch, defect, options):
        plant(monkeypatch, defect)
        result = run("-q", SUITES, "-k", "test_emptied_service", *options)
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*FAIL  reachability: 3 of 3 connections ended timed-out"])

    def test_what_is_known_and_not_seen_is_told(self, run):
        result = run("-q", SUITES, "-k", "test_emptied_service")
        assert result.ret == 0
        said = "known deviation no longer seen: udp-flows-of-an-emptied-service: remove it"
        assert said in flat(result.stdout.str())

    @pytest.mark.parametrize(
        ("text", "words"),
        [(None, "No such file or directory"), ("- slug: x", "missing required field")],
    )
    def test_a_file_of_what_is_known_that_cannot_be_used_is_named(self, run, text, words):
        if text is not None:
            Path("mine.yaml").write_text(text)
        result = run("-q", SUITES, "-k", "test_emptied_service", "--svc-known", "mine.yaml")
        assert result.ret == 4
        result.stderr.fnmatch_lines([f"ERROR: svcproof: *mine.yaml: *{words}*"])

    def test_a_service_that_somebody_else_changes_is_found_and_named(self, run, monkeypatch):
        class Meddled(FakeCluster):
            def probe(self, position, plan):
                wrong = {"spec": {"sessionAffinity": "ClientIP"}}
                self.patch("Service", "hostname-svc-clusterip", wrong, namespace=position.namespace)
                return super().probe(position, plan)

        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(registry, "open_cluster", lambda *_: Meddled())
        result = run("-q", SUITES, "-k", "test_clusterip and Pod")
        assert result.ret == 1
        said = "Service hostname-svc-clusterip was changed behind the run's back: "
        result.stdout.fnmatch_lines(
            [
                f"*FAIL  objects: {said}spec.sessionAffinity",
                "*expected *None",
                "*seen *ClientIP",
                f"culprit *{said}spec.sessionAffinity is ClientIP, not None*",
            ]
        )

    def test_an_outage_is_found_under_steady_traffic(self, run, monkeypatch):
        plant(monkeypatch, "OutageAfterChange(0.2)", convergence=3.0)
        result = run("-q", SUITES, "--svc-slow", "-k", "test_edited_selector")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*FAIL  reachability: * connections ended timed-out"])

    @pytest.mark.parametrize(("payload", "code"), [(0, 0), (1000, 0), (1400, 1)])
    def test_lost_large_packets_are_found_by_large_payloads(
        self, run, monkeypatch, pytester, payload, code
    ):
        plant(monkeypatch, "LargePacketsLost('node-2')")
        pytester.makepyfile(
            test_mine=f"""
                def test_payload(echo_app, clients, measure, judge):
                    (target,) = echo_app.targets("cluster-ip")
                    measure([(clients.everywhere("pod")[0], target)], payload={payload})
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == code
        if code:
            result.stdout.fnmatch_lines(["*FAIL  reachability: * connections ended timed-out"])

    def test_nothing_is_promised_to_traffic_that_does_not_flow_yet(self, run, pytester):
        pytester.makepyfile(
            test_mine="""
                import threading
                from svcproof import steady

                def test_traffic(echo_app, clients, run, monkeypatch):
                    def late(*arguments, attempts=steady.attempts):
                        threading.Event().wait(0.3)
                        yield from attempts(*arguments)

                    monkeypatch.setattr(steady, "attempts", late)
                    (target,) = echo_app.targets("cluster-ip")
                    pairs = [(client, target) for client in clients.everywhere("pod")]
                    with run.steady(pairs, rate=100):
                        made = run.recorder.freeze().observations
                    assert {each.position for each in made} == {pair[0].name for pair in pairs}
            """
        )
        assert run("-q").ret == 0

    @pytest.mark.parametrize(("allowed", "code"), [(50, 1), (2000, 0)])
    def test_how_long_an_outage_may_be(self, run, monkeypatch, pytester, allowed, code):
        plant(monkeypatch, "OutageAfterChange(0.2)", convergence=3.0)
        pytester.makepyfile(
            test_mine=f"""
                def test_change(echo_app, clients, run, judge):
                    (target,) = echo_app.targets("cluster-ip")
                    pairs = [(clients.everywhere("pod")[0], target)]
                    run.settle(pairs)
                    with run.steady(pairs, rate=100) as traffic:
                        traffic.expect()
                        traffic.gather()
                        with traffic.changing(outage_ms={allowed}):
                            labels = {{"metadata": {{"labels": {{"a": "b"}}}}}}
                            run.patch("Service", target.service, labels)
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == code
        if code:
            result.stdout.fnmatch_lines(["*FAIL  outages: no answer for 0.* s"])
        result.stdout.fnmatch_lines(["*outage: 1, the longest 0.* s*"])

    def test_a_selector_that_matches_nobody_is_no_promise_of_refusals(
        self, run, monkeypatch, pytester
    ):
        """Under steady traffic, as elsewhere: that the app is there is what the case says."""
        plant(monkeypatch, "Defect()", convergence=3.0)
        pytester.makepyfile(
            test_mine="""
                def test_traffic(echo_app, clients, run, cluster, judge):
                    (target,) = echo_app.targets("cluster-ip")
                    selector = {"spec": {"selector": {"app": "nobody"}}}
                    cluster.patch("Service", target.service, selector, namespace=echo_app.namespace)
                    pairs = [(clients.everywhere("pod")[0], target)]
                    with run.steady(pairs, rate=100) as traffic:
                        traffic.expect()
                        traffic.gather()
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*FAIL  reachability: * connections ended refused"])

    def test_a_twin_that_nobody_serves_is_no_word_about_a_service(self, run, monkeypatch, pytester):
        """As with a frozen controller: what was there before is judged all the same."""
        plant(monkeypatch, "UnlistedService()")
        result = run("-q", SUITES, "-k", "test_affinity.py and test_affinity")
        assert result.ret == 0
        told = [history.read_text() for history in histories(pytester)]
        assert any('"kind":"no-twin"' in text for text in told)

    def test_a_failure_without_a_control_proves_nothing(self, run, monkeypatch):
        plant(monkeypatch, "DeafClient('pod')")
        result = run("-q", SUITES, "-k", "test_none_on_this_node")
        result.stdout.fnmatch_lines(
            ["*INCONCLUSIVE  control: connections failed as promised, but its control never*"]
        )

    def test_every_defect_is_tried_here(self):
        tried = Path(__file__).read_text()
        for name in set(fake_defects.__all__) - {"Defect", "Dial"}:
            assert f"{name}(" in tried, name


class TestVerdicts:
    @pytest.mark.parametrize(
        ("defect", "lines"),
        [
            ("DeadEndpoint()", ["*FAIL  reachability: * of 66 connections ended timed-out"]),
            ("MissingResponder()", ["*FAIL  responders: never answered: hostname-deployment-*"]),
            (
                "Stranger()",
                ["*FAIL  responders: a stranger answered: somebody-elses-pod, of run 'another'"],
            ),
        ],
    )
    def test_a_defect_fails_and_says_what_where_and_what_next(self, run, mine, defect, lines):
        mine(defects=defect)
        result = run("-q")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "FAIL: test_mine?from a Pod on node-1, by ClusterIP? (66 connections judged)",
                *lines,
                "*expected  *",
                "*seen      *",
                "*where     a Pod on node-1 → *",
                "*evidence  #*",
                "*next      *",
                "history: .svcproof/evidence/*.jsonl",
            ]
        )
        result.stdout.fnmatch_lines(["FAIL           My Service answers."])
        result.stdout.no_fnmatch_line("*Traceback*")
        result.stdout.no_fnmatch_line("*conftest.py:*")

    def test_one_node_that_refuses_is_found_at_that_node(self, run, mine):
        mine(
            defects="RefusedNodePort('node-2')",
            positions="'outside'",
            targets="'node-port'",
            module="test_nodeport",
        )
        result = run("-v")
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["*outside the cluster, at node-2? FAILED*"])

    def test_stale_rules_are_found_after_scaling(self, run, mine, pytester):
        mine(defects="StaleEndpoints()")
        pytester.makepyfile(
            test_mine="""
                def test_scaled(echo_app, clients, run, measure, judge):
                    pairs = [(p, t) for p in clients.everywhere("pod")
                             for t in echo_app.targets("cluster-ip")]
                    measure(pairs)
                    run.scale(1)
                    measure(pairs)
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*FAIL  reachability: * of 66 connections ended timed-out"])

    def test_wrong_slices_are_found(self, run, mine, pytester):
        mine(defects="FrozenSlices()")
        pytester.makepyfile(
            test_mine="""
                def test_scaled(echo_app, clients, run, measure, judge):
                    run.scale(5)
                    (target,) = echo_app.targets("cluster-ip")
                    measure((p, target) for p in clients.everywhere("pod"))
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*FAIL  endpoints: the EndpointSlices lack ready Pods: *"])

    def test_an_app_that_vanished_behind_ones_back_fails(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_vanished(echo_app, clients, cluster, measure, judge):
                    none = {"spec": {"replicas": 0}}
                    cluster.patch(
                        "Deployment", "hostname-deployment", none, namespace=echo_app.namespace
                    )
                    (target,) = echo_app.targets("cluster-ip")
                    measure([(clients.everywhere("pod")[0], target)])
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "*FAIL  reachability: 66 of 66 connections ended refused",
                "*expected  every connection answered (the case says that the app is there)",
                "*INCONCLUSIVE  convergence: did not settle *",
                "*seen      Deployment hostname-deployment: 0 of 3 Pods ready",
            ]
        )

    @pytest.mark.parametrize(("defects", "code"), [("", 3), ("Stranger()", 1)])
    def test_endpoints_that_change_meanwhile_fail_nobody(self, run, mine, pytester, defects, code):
        """Between the promise and the connections somebody scales down; strangers fail anyway."""
        mine(defects=defects)
        pytester.makepyfile(
            test_mine="""
                def test_scaled(echo_app, clients, run, monkeypatch, judge):
                    (target,) = echo_app.targets("cluster-ip")
                    probe = echo_app.cluster.probe

                    def late(position, plan):
                        echo_app.scale(1)
                        return probe(position, plan)

                    monkeypatch.setattr(echo_app.cluster, "probe", late)
                    run.measure([(clients.everywhere("pod")[0], target)], settle=False)
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == code
        if code == 3:
            result.stdout.fnmatch_lines(["*(but what is promised changed*"])

    def test_a_refusal_that_the_case_is_about_needs_a_control(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_refused(echo_app, clients, run, measure, judge):
                    run.scale(0)
                    (target,) = echo_app.targets("cluster-ip")
                    measure([], failing=[(clients.everywhere("pod")[0], target)])
                    judge()
            """
        )
        result = run("-q")
        assert result.ret == 4
        assert "nothing is to answer the same client" in flat(result.stdout.str())
        assert "give it a control" in flat(result.stdout.str())

    def test_a_question_that_is_misspelt_fails_where_it_is_asked(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_misspelt(echo_app, clients, measure):
                    (target,) = echo_app.targets("cluster-ip")
                    measure([(clients.everywhere("pod")[0], target)], affinty="pin")
            """
        )
        result = run("-q")
        result.stdout.fnmatch_lines(["*TypeError: *affinty*", "*test_mine.py:3: TypeError"])
        assert not list(histories(pytester)[0].read_text().splitlines()[1:])

    def test_only_inconclusive_is_3_with_a_word_of_its_own(self, run, mine):
        mine(defects="LostExec(after=10)")
        result = run("-v")
        assert result.ret == 3
        result.stdout.fnmatch_lines(
            [
                "*from a Pod on node-1, by ClusterIP? INCONCLUSIVE*",
                "=* INCONCLUSIVE *=",
                "*INCONCLUSIVE  reachability: 56 of 66 connections could not be told",
                "INCONCLUSIVE   My Service answers.",
                "*3 inconclusive*",
            ]
        )

    def test_a_failure_beside_it_is_1(self, run, mine, pytester):
        mine(defects="LostExec(after=10)")
        pytester.makepyfile(test_other="def test_other(): assert False")
        assert run("-q").ret == 1

    def test_nothing_measured_is_no_pass(self, run, mine, pytester):
        mine()
        pytester.makepyfile(test_mine="def test_nothing(judge): judge()")
        result = run("-q")
        assert result.ret == 3
        result.stdout.fnmatch_lines(["*nothing was judged*"])

    def test_measured_but_never_judged_is_no_pass(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_forgetful(echo_app, clients, measure):
                    (target,) = echo_app.targets("cluster-ip")
                    measure([(clients.everywhere("pod")[0], target)])
            """
        )
        result = run("-q")
        assert result.ret == 3
        result.stdout.fnmatch_lines(["*measured, but never judged*"])

    def test_an_app_that_does_not_get_ready_is_inconclusive(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_scale(echo_app, monkeypatch):
                    lack = "0 of 3 Pods ready"
                    monkeypatch.setattr("svcproof.app.lacking", lambda *_, **__: lack)
                    echo_app.scale(2)
            """
        )
        result = run("-q")
        assert result.ret == 3
        result.stdout.fnmatch_lines(
            ["WaitExpired: waited * s for the Pods in *; last state: 0 of 3 Pods ready"]
        )

    def test_junit_has_verdict_and_evidence(self, run, mine):
        mine(defects="DeadEndpoint()")
        run("-q", "--junitxml=out.xml", "-k", "node-1")
        properties = junit_properties()
        (case,) = {name.partition("]: ")[0] for name in properties}
        assert case.startswith("test_mine.py::test_mine[")
        found = {name.partition("]: ")[2]: value for name, value in properties.items()}
        assert found["verdict"] == "FAIL"
        assert found["remedy"]
        assert found["connect time"].startswith("median ")
        (seen,) = (name for name in found if name.endswith(": source address seen"))
        assert seen.startswith("a Pod on node-1 → ")
        assert found["connections judged"] == "66"
        assert int(found["connections failed"]) > 0
        assert Path(found["history"]).exists()

    def test_ctrl_c_is_2_and_the_evidence_is_kept(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="""
                def test_interrupted(echo_app, clients, run):
                    (target,) = echo_app.targets("cluster-ip")
                    run.probe(clients.everywhere("pod")[0], target, count=20)
                    raise KeyboardInterrupt
            """
        )
        result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
        assert result.ret == 2
        (path,) = histories(pytester)
        with path.open("rb") as file:
            assert len(list(decode_lines(file).observations)) == 20


class TestNothingProven:
    """What could not be asked has its reason and its remedy in every report alike."""

    def reports(self, run, pytester, *arguments: str) -> tuple[str, list[str], dict]:
        result = run("-q", *arguments, "--junitxml=out.xml")
        assert result.ret == 3
        (results,) = (pytester.path / ".svcproof" / "evidence").rglob("results.json")
        junit = ElementTree.parse("out.xml")
        said = [skip.get("message", "") for skip in junit.iter("skipped")]
        names = junit_properties()
        assert any(name.endswith(": reason") for name in names)
        assert any(name.endswith(": remedy") for name in names)
        return result.stdout.str(), said, json.loads(results.read_text())

    @pytest.mark.parametrize(
        ("cluster", "cases", "reason", "remedy"),
        [
            (
                "FakeCluster(nodes=1)",
                "test_none_on_this_node",
                "every node has a Pod",
                "give it more nodes: --svc-nodes 2",
            ),
            (
                "FakeCluster()",
                "test_load_balancer and test_cluster",
                "LoadBalancer Services stay pending",
                "install an implementation",
            ),
            (
                "FakeCluster(proxy_mode='something-else')",
                "test_local_keeps_the_client or test_clusterip_shares",
                "unknown data plane (only what all have in common) promises nothing about",
                "say which data plane it is: --svc-data-plane NAME",
            ),
            (
                "Walled()",
                "test_nodeport[",
                "this cluster has no client outside of it",
                "leave out what is asked from outside",
            ),
        ],
        ids=["too few nodes", "a power is missing", "unknown data plane", "nobody outside"],
    )
    def test_not_supported(self, run, monkeypatch, pytester, cluster, cases, reason, remedy):
        class Walled(FakeCluster):
            def outside_positions(self):
                return ()

        plant(monkeypatch, "Defect()")
        made = eval(cluster, {"FakeCluster": FakeCluster, "Walled": Walled})  # noqa: S307
        monkeypatch.setattr(registry, "open_cluster", lambda *_: made)
        text, said, results = self.reports(run, pytester, SUITES, "--svc-slow", "-k", cases)
        for shown in (*said, flat(text)):
            assert reason in shown
            assert remedy in shown
        assert said
        for problem in results["problems"]:
            assert problem["word"] == "not supported"
            assert reason in problem["reason"]
            assert remedy in problem["remedy"]
        assert results["cluster"]["kind"] == "fake"
        assert results["exit_code"] == 3

    def test_what_passes_beside_it_is_proven(self, run, pytester):
        """Tests without a verdict count as well: a suite of one's own may have no measurement."""
        pytester.makepyfile(
            """
            from svcproof.errors import NotSupported

            def test_lacking(cluster):
                raise NotSupported("no such thing")

            def test_nodes(cluster):
                assert cluster.facts.node_names
            """
        )
        assert run("-k", "lacking").ret == 3
        assert run().ret == 0

    @pytest.mark.parametrize(
        ("is_prevented", "arguments", "code"),
        [(True, (), 3), (True, ("--svc-allow-missing",), 0), (False, (), 0)],
    )
    def test_each_module_has_to_be_judged_unless_the_cluster_cannot_have_it(
        self, run, mine, pytester, is_prevented, arguments, code
    ):
        mine()
        pytester.makepyfile(
            test_other=f"""
            from svcproof.errors import NotSupported

            def test_kept_away(cluster):
                raise NotSupported("a webhook is against it", is_prevented={is_prevented})
            """
        )
        result = run(*arguments)
        assert result.ret == code
        line = "not judged     test_other: a webhook is against it"
        assert (line in result.stdout.str()) is is_prevented

    def test_one_judged_case_of_a_module_is_enough(self, run, mine, pytester):
        mine()
        path = pytester.path / "test_mine.py"
        path.write_text(
            path.read_text()
            + """
from svcproof.errors import NotSupported

def test_kept_away(cluster):
    raise NotSupported("a webhook is against it", is_prevented=True)
"""
        )
        assert run().ret == 0

    def test_inconclusive(self, run, monkeypatch, pytester):
        plant(monkeypatch, "LostExec(after=10)")
        cases = "test_clusterip.py and node-1 and FQDN and not host"
        text, _, results = self.reports_of_verdict(run, pytester, cases)
        (finding,) = [
            found
            for found in results["cases"][0]["findings"]
            if "could not be told" in found["summary"]
        ]
        assert finding["remedy"] in flat(text)

    def reports_of_verdict(self, run, pytester, cases: str) -> tuple[str, dict, dict]:
        result = run("-q", SUITES, "-k", cases, "--junitxml=out.xml")
        assert result.ret == 3
        (results,) = (pytester.path / ".svcproof" / "evidence").rglob("results.json")
        properties = junit_properties()
        assert any(
            name.endswith(": verdict") and value == "INCONCLUSIVE"
            for name, value in properties.items()
        )
        assert any(name.endswith(": remedy") for name in properties)
        return result.stdout.str(), properties, json.loads(results.read_text())

    def test_an_app_that_is_never_ready(self, run, monkeypatch, pytester):
        plant(monkeypatch, "Defect()")
        monkeypatch.setattr("svcproof.app.lacking", lambda *_, **__: "0 of 3 Pods ready")
        pytester.makepyfile("def test_a(echo_app): pass\ndef test_b(echo_app): pass")
        text, _, results = self.reports(run, pytester)
        assert text.count("look at `kubectl -n ") == 2  # whole once, and in the summary
        assert "same as above, test_a: WaitExpired: waited 0.3 s for the Pods" in text
        assert [problem["word"] for problem in results["problems"]] == ["inconclusive"] * 2
        assert re.search(r"INCONCLUSIVE   test_a, test_b: waited 0.3 s for .*what to do: ", text)

    def test_nothing_selected(self, run, mine):
        mine()
        result = run("-q", "-k", "nothing")
        assert result.ret == 4
        result.stdout.fnmatch_lines(
            ["svcproof: no case was selected by -k 'nothing': nothing is proven"]
        )


class TestResults:
    """results.json, beside the histories."""

    def results(self, pytester: pytest.Pytester) -> dict:
        (path,) = (pytester.path / ".svcproof" / "evidence").rglob("results.*")
        assert path.name == "results.json"
        return json.loads(path.read_text())

    def test_findings_and_facts(self, run, mine, pytester):
        mine(defects="DeadEndpoint()")
        run("-q", "-k", "node-1")
        results = self.results(pytester)
        assert results["schema"] == 2
        assert results["exit_code"] == 1
        (case,) = results["cases"]
        assert case["verdict"] == "FAIL"
        assert case["findings"][0]["status"] == "FAIL"
        assert {"name", "value", "where"} <= set(case["facts"][0])
        assert (pytester.path / case["history"]).exists()

    def test_after_ctrl_c(self, mine, pytester):
        mine()
        with (pytester.path / "test_mine.py").open("a") as module:
            module.write("\ndef test_z(echo_app): raise KeyboardInterrupt\n")
        done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "--svc-cluster=fake")
        assert done.ret == 2
        results = self.results(pytester)
        assert results["exit_code"] == 2
        assert [case["verdict"] for case in results["cases"]] == ["PASS"] * 3

    def test_after_sigterm(self, pytester):
        """As CI systems cancel a job."""
        pytester.makepyfile(
            """
            import os, signal

            def test_a(cluster, echo_app):
                os.kill(os.getpid(), signal.SIGTERM)

            def test_b(cluster): pass
            """
        )
        done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "--svc-cluster=fake")
        assert done.ret == 2
        assert self.results(pytester)["exit_code"] == 2

    def test_when_there_is_no_cluster(self, run, pytester, monkeypatch):
        def refuse(*_):
            raise MissingTool("nft is missing", remedy="apt-get install nftables")

        monkeypatch.setattr(registry, "open_cluster", refuse)
        pytester.makepyfile(test_mine=MINE.format(positions="'pod'", targets="'fqdn'"))
        assert run("-q").ret == 4
        results = self.results(pytester)
        (problem,) = results["problems"]
        assert problem["reason"] == "nft is missing"
        assert problem["remedy"] == "apt-get install nftables"
        assert results["cluster"] is None

    def test_a_directory_that_cannot_be_written(self, run, mine, pytester):
        mine()
        pytester.makepyfile(test_mine="def test_x(echo_app): pass")
        (pytester.path / "taken").write_text("a file")
        result = run("-q", "--svc-evidence=taken")
        result.stdout.fnmatch_lines(
            ["svcproof: cannot write *taken/*results.json: Not a directory"]
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (
                "--svc-cluster=docker",
                "cluster kind 'docker' is unknown; valid: auto, *",
            ),
            ("--svc-proxy-mode=ipvs", "proxy mode 'ipvs' is unknown; valid: iptables, nftables"),
            ("--svc-nodes=0", "0 nodes cannot be had; valid: 1 to 8"),
            ("--svc-nodes=99", "99 nodes cannot be had; valid: 1 to 8"),
            ("--svc-k8s-version=1.2", "Kubernetes version '1.2' is unknown; valid: *"),
            ("--svc-ip-families=both", "IP families 'both' is unknown; valid: ipv4, ipv6, dual"),
            ("--svc-name=No!", "cluster name 'No!' will not do*"),
        ],
    )
    def test_options(self, run, mine, option, message):
        mine()
        result = run(option, cluster="")
        assert result.ret == 4
        result.stderr.fnmatch_lines([f"ERROR: svcproof: {message}"])

    def test_services_without_any_pods_are_no_fault_of_the_cluster(self, run, mine, pytester):
        mine()
        service = (files("svcproof") / "manifests" / "clusterip.yaml").read_text()
        (pytester.path / "mine.yaml").write_text(service)
        result = run("-q")
        assert result.ret == 4
        assert "these manifests have no Pods that could be behind it" in flat(result.stdout.str())

    def test_a_service_that_is_not_there(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_mine="def test_x(echo_app): echo_app.targets('cluster-ip', 'nowhere')"
        )
        result = run("-q")
        assert result.ret == 4
        assert "no Service 'nowhere'; there are" in flat(result.stdout.str())

    def test_markers(self, run, mine):
        mine(positions="'moon'")
        result = run()
        assert result.ret == 4
        assert "unknown kind of position 'moon'; there are: pod" in result.stdout.str()

    def test_what_prevents_the_cluster_ends_the_session(self, run, pytester, monkeypatch):
        def refuse(*_):
            raise MissingTool("nft is missing", remedy="apt-get install nftables")

        monkeypatch.setattr(registry, "open_cluster", refuse)
        pytester.makepyfile(test_mine=MINE.format(positions="'pod'", targets="'fqdn'"))
        result = run("-q")
        assert result.ret == 4
        text = result.stdout.str()
        assert text.count("svcproof: nft is missing") == 1
        assert "what to do: apt-get install nftables" in text
        assert "Traceback" not in text

    def test_but_not_in_somebody_elses_project(self, run, pytester):
        pytester.makepyfile(test_other="def helper(): pass")
        assert run("-q", cluster="").ret == 5


class Admitting(FakeCluster):
    """An admission policy prefers the same node for every Service."""

    def apply(self, manifests, *, namespace):
        policy = {"spec": {"trafficDistribution": "PreferSameNode"}}
        changed = [patched(m, policy) if m["kind"] == "Service" else m for m in manifests]
        return super().apply(changed, namespace=namespace)


def test_a_policy_that_changes_all_services_costs_only_what_is_about_the_field(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(registry, "open_cluster", lambda *_: Admitting())
    result = run(SUITES, "-v", "-k", "test_clusterip.py or test_topology or test_hairpin")
    text = result.stdout.str()
    assert "FAIL" not in text
    assert "changed on admission: Service hostname-svc-clusterip: spec.trafficDistribution" in text
    skipped = re.findall(r"test_topology.py::(test_\w+(?:\[.*\])?) SKIPPED", text)
    assert len(skipped) == 2  # PreferSameZone and PreferClose were asked for
    assert "test_nearest[node" in text
    assert re.search(r"test_clusterip.py::\S+.* PASSED", text)


class Clouded(FakeCluster):
    """Its load balancers have a name, which leads nowhere here, and no address."""

    def snapshot(self, namespace):
        seen = super().snapshot(namespace)
        named = (replace(each, load_balancer_names=("localhost",)) for each in seen.services)
        return replace(seen, services=tuple(named))


def test_a_load_balancer_with_a_name_is_there(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(registry, "open_cluster", lambda *_: Clouded())
    monkeypatch.setattr(fake, "LIMITS", Limits(workload_ready=0.3, endpoints=0.3, convergence=0.2))
    result = run(
        SUITES, "-q", "--svc-slow", "-k", "test_load_balancer and not inside and not ranges"
    )
    text = result.stdout.str()
    assert "MetalLB" not in text
    assert "stay pending" not in text
    # Whether the client's address is kept is the cloud's own affair.
    assert re.search(r"which address a backend\s+sees is not promised there", text)
    result.assert_outcomes(failed=1, skipped=1)
    assert "name-failed" in text


class TestOnesOwnTests:
    def test_ini_defaults(self, run, pytester):
        pytester.makeini("[pytest]\nsvc_cluster = fake\nsvc_nodes = 2\nsvc_evidence = proof\n")
        pytester.makepyfile(test_mine=MINE.format(positions="'pod'", targets="'fqdn'"))
        run("-q", cluster="").assert_outcomes(passed=2)
        assert len(list((pytester.path / "proof").rglob("*.jsonl"))) == 2

    def test_a_manifest_beside_the_module(self, run, pytester):
        text = (files("svcproof") / "manifests" / "webserver.yaml").read_text()
        (pytester.path / "mine.yaml").write_text(text.replace("replicas: 3", "replicas: 2"))
        pytester.makepyfile(
            test_mine="""
                def test_two(echo_app):
                    assert len(echo_app.snapshot().pods_matching({"app": "webserver"})) == 2
            """
        )
        run("-q").assert_outcomes(passed=1)

    def test_manifests_as_a_fixture(self, run, pytester):
        pytester.makepyfile(
            test_mine="""
                import pytest

                @pytest.fixture(scope="module")
                def app_manifests(app_manifests):
                    return [m for m in app_manifests if m["kind"] == "Deployment"]

                def test_no_service(echo_app):
                    assert echo_app.snapshot().services == ()
            """
        )
        run("-q").assert_outcomes(passed=1)

    def test_namespaces_are_fresh_and_deleted(self, run, mine, pytester):
        mine()
        pytester.makepyfile(
            test_a="def test_a(namespace, cluster): assert namespace in cluster._model.namespaces",
            test_b="def test_b(namespace, cluster): assert len(cluster._model.namespaces) == 1",
            test_mine="def test_c(new_namespace): assert new_namespace() != new_namespace()",
            test_z="def test_z(cluster): assert len(cluster._model.namespaces) == 2",
        )
        run("-q").assert_outcomes(passed=4)

    def test_ones_own_parameters(self, run, pytester):
        pytester.makepyfile(
            test_mine="""
                import pytest
                from svcproof.testing import PositionSpec

                @pytest.mark.parametrize("position", [PositionSpec("pod", "node-2")], indirect=True)
                @pytest.mark.targets("fqdn")
                def test_mine(position, target, run):
                    assert position.node == "node-2"
                    (seen,) = run.probe(position, target, count=1)
                    assert seen.backend.run
            """
        )
        run("-q").assert_outcomes(passed=1)

    def test_an_unrelated_position_fixture_is_left_alone(self, run, pytester):
        pytester.makepyfile(
            test_mine="""
                import pytest

                @pytest.fixture
                def position():
                    return 42

                def test_mine(position):
                    assert position == 42
            """
        )
        run("-q", cluster="").assert_outcomes(passed=1)

    def test_the_fixtures_are_listed_with_their_meaning(self, run):
        text = run("--fixtures", "-q").stdout.str()
        for name in ("cluster", "namespace", "echo_app", "run", "measure", "judge"):
            assert re.search(rf"^{name}\b", text, re.MULTILINE), name


class TestWorkers:
    """With pytest-xdist."""

    def test_they_share_a_kept_cluster_and_a_run(self, mine, pytester):
        mine(targets="'cluster-ip', 'fqdn'")
        result = pytester.runpytest_subprocess("-q", "-n2", "--svc-cluster=fake", "--svc-name=kept")
        result.assert_outcomes(passed=6)
        result.stdout.fnmatch_lines(["PASS  *My Service answers.", "evidence * (6 histories)"])
        assert len({path.parent for path in histories(pytester)}) == 1

    def test_one_namespace_is_not_for_several(self, pytester, tmp_path):
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.touch()
        pytester.makepyfile(test_mine="def test_it(cluster): pass")
        result = pytester.runpytest_subprocess(
            "-q", "-n2", f"--svc-kubeconfig={kubeconfig}", "--svc-namespace=mine"
        )
        assert result.ret == 4
        assert "several xdist workers cannot share namespace mine" in result.stdout.str()
        assert "Traceback" not in result.stdout.str()


class TestTheCommand:
    def command(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        code = "from svcproof.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "run", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_run(self, tmp_path: Path):
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
        ended = self.command("--svc-cluster=fake", "-q", "-k", "test_endpoints", cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "3 passed" in ended.stdout
        assert sorted(path.name for path in tmp_path.iterdir()) == [".svcproof", "pytest.ini"]

    def test_exit_codes_are_kept(self, tmp_path: Path):
        assert self.command("--svc-nodes=0", cwd=tmp_path).returncode == 4
        nothing = self.command("--svc-cluster=fake", "-k", "nothing", cwd=tmp_path)
        assert nothing.returncode == 4
