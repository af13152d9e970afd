"""The battery: what was meant, measurements in turns, and what a proof makes of the answers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner

from svcproof.battery import Answer, Battery, Topic
from svcproof.battery.intent import intended
from svcproof.battery.measurements import MEASUREMENTS, Measurement, Question
from svcproof.battery.objects import NAMES, battery_manifests
from svcproof.battery.runs import Turn, in_turns
from svcproof.checkers import CHECKS
from svcproof.cli.judge import judge_files
from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.fake_defects import Defect, SkewedChoice
from svcproof.errors import ClusterProblem, NotSupported
from svcproof.events import FaultInjected
from svcproof.faults import CATALOGUE, Fault, Scene
from svcproof.history_reader import decode_lines
from svcproof.matrix import SCHEMA, CellLine, CheckLine, FaultLine, Matrix, check_lines
from svcproof.ports import ClusterFacts
from svcproof.proof import Trial, not_green, prove
from svcproof.recorder import Recorder
from svcproof.reporters.matrix import check_table, grid, markdown, summary
from svcproof.results import ClusterLine
from svcproof.snapshot import Service, ServicePort, Snapshot
from svcproof.verdict import Finding, Status, Verdict

MANIFEST = {
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "sessionAffinity": "ClientIP"},
}


def snapshot(**fields) -> Snapshot:
    service = Service(
        name="web",
        namespace="ns",
        type=fields.pop("type", "ClusterIP"),
        cluster_ips=("10.96.0.1",),
        ports=(ServicePort(80, 8080),),
        **fields,
    )
    return Snapshot((), (), (service,), ())


def test_a_service_is_taken_as_its_manifest_wants_it():
    changed = snapshot(
        selector={"app": "other"},
        session_affinity="None",
        affinity_timeout_seconds=1,
        publish_not_ready_addresses=True,
        external_name="elsewhere",
    )
    service = intended(changed, [MANIFEST]).service("web")
    assert service.selector == {"app": "web"}
    assert service.session_affinity == "ClientIP"
    assert service.affinity_timeout_seconds == 10800
    assert service.publish_not_ready_addresses is False
    assert service.external_name == ""


def test_what_the_api_server_allots_stays():
    service = intended(snapshot(type="NodePort"), [MANIFEST]).service("web")
    assert service.cluster_ips == ("10.96.0.1",)
    assert service.ports == (ServicePort(80, 8080),)
    assert service.external_traffic_policy == "Cluster"


def test_a_service_without_a_manifest_is_as_it_is():
    there = snapshot(selector={"app": "other"})
    assert intended(there, []) == there


def test_the_single_pod_is_put_on_the_node_that_is_wanted():
    deployments = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in battery_manifests("worker-7")
        if item["kind"] == "Deployment"
    }
    assert deployments[NAMES.lonely]["nodeSelector"] == {"kubernetes.io/hostname": "worker-7"}
    assert "nodeSelector" not in deployments[NAMES.web]


def test_all_names_are_in_the_manifests():
    names = {item["metadata"]["name"] for item in battery_manifests("n")}
    assert {getattr(NAMES, field) for field in NAMES.__slots__} - names == {NAMES.fresh}


def test_each_topic_is_asked_once_and_every_check_exists():
    questions = [question for each in MEASUREMENTS for question in each.questions]
    assert sorted(question.topic for question in questions) == sorted(Topic)
    assert {check for question in questions for check in question.checks} <= set(CHECKS)


class FakeBench:
    def run(self, recorder):
        return SimpleNamespace(recorder=recorder)


def run(name: str, act, topic: Topic = Topic.CHANGE) -> Turn:
    measurement = Measurement(name, act, (Question(topic, ("reachability",)),))
    return Turn(measurement, FakeBench(), Recorder(None, run="r", case=name))


def test_while_one_pauses_the_others_are_made():
    log = []

    def pausing(bench, routing):
        log.append("first")
        yield 0.05
        log.append("resumed")

    def quick(bench, routing):
        log.append("quick")
        yield from ()

    topics = [
        answer.topic
        for answer in in_turns([run("a", pausing, Topic.AFFINITY), run("b", quick, Topic.CHANGE)])
    ]
    assert log == ["first", "quick", "resumed"]
    assert topics == [Topic.CHANGE, Topic.AFFINITY]


@pytest.mark.parametrize("error", [NotSupported("no client"), ClusterProblem("no Pod")])
def test_what_prevents_a_measurement_is_untold_never_green(error):
    def failing(bench, routing):
        raise error
        yield

    (answer,) = in_turns([run("a", failing)])
    assert answer.status is Status.INCONCLUSIVE
    assert answer.first == error.what
    assert answer.unsupported == isinstance(error, NotSupported)


def test_a_measurement_that_is_broken_off_cleans_up():
    log = []

    def pausing(bench, routing):
        try:
            yield 0.0
        finally:
            log.append("cleaned up")

    def interrupted(bench, routing):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(in_turns([run("a", pausing), run("b", interrupted)]))
    assert log == ["cleaned up"]


class SkewedWeb(SkewedChoice):
    """One Service only, one that no affinity keeps."""

    def chosen(self, dial, among, draw):
        is_web = dial.service is not None and dial.service.name == NAMES.web
        return super().chosen(dial, among, draw) if is_web else None


def asked(tmp_path, *defects: Defect) -> dict:
    """The whole battery's answers on a cluster in memory, with the histories on disk."""
    cluster = FakeCluster(defects=defects)
    cluster.create_namespace("ns")
    battery = Battery(cluster, "ns", run="r1", home="node-1", evidence=tmp_path)
    battery.apply()
    event = FaultInjected(index=0, at_ns=5, number=1, slug="rain", seconds=0.5)
    return battery.ask("planted rain", events=[event])


def test_a_right_cluster_is_green(tmp_path):
    said = {topic: answer.first for topic, answer in asked(tmp_path).items()}
    # The fake has no DNS of its own, and runs no programs.
    lacking = {topic for topic, first in said.items() if first}
    assert lacking == {Topic.NAME_SERVERS, Topic.OTHER_ADDRESSES}
    assert "cluster DNS" in said[Topic.NAME_SERVERS]
    assert "programs cannot be run" in said[Topic.OTHER_ADDRESSES]


def test_saved_histories_of_the_battery_are_judged_as_they_were(tmp_path):
    """One question about a measurement is red, others about the same are green."""
    said = asked(tmp_path, SkewedWeb(0.6))
    assert said[Topic.SHARES].status is Status.FAIL
    assert said[Topic.CLUSTER_IP].status is Status.PASS
    done = CliRunner().invoke(judge_files, ["--json", str(tmp_path)])
    items = json.loads(done.output)
    assert len(items) == len(MEASUREMENTS)
    asked_of = [item for item in items if item["verdict"] != "NOT SUPPORTED"]
    assert len(items) - len(asked_of) == 2
    assert {item["compared"] for item in asked_of} == {"as in the run"}
    assert [item["case"] for item in items if item["verdict"] == "FAIL"] == ["inside: planted rain"]
    for path in tmp_path.rglob("*.jsonl"):
        with path.open("rb") as lines:
            assert decode_lines(lines).events[0].word == "fault-injected"


def answer(topic: Topic, status: Status, summary: str = "found") -> Answer:
    found = Finding(status=status, summary=f"responders: {summary}")
    findings = () if status is Status.PASS else (found,)
    return Answer(topic, Verdict(status, 1, findings))


def answers(red: set = frozenset(), untold: set = frozenset()) -> dict:
    return {
        topic: answer(
            topic,
            Status.FAIL
            if topic in red
            else Status.INCONCLUSIVE
            if topic in untold
            else Status.PASS,
        )
        for topic in Topic
    }


def test_the_first_finding_is_one_that_made_the_verdict():
    findings = (
        Finding(status=Status.INCONCLUSIVE, summary="slow"),
        Finding(status=Status.FAIL, summary="refused", where="a → b"),
    )
    assert Answer(Topic.CHANGE, Verdict(Status.FAIL, 1, findings)).first == "refused [a → b]"


def test_the_checks_that_failed_are_known_by_name():
    findings = (
        Finding(status=Status.INCONCLUSIVE, summary="convergence: slow"),
        Finding(status=Status.FAIL, summary="responders: a stranger answered: other-1"),
        Finding(status=Status.FAIL, summary="responders: and again"),
        Finding(status=Status.FAIL, summary="no check: it is none"),
    )
    mixed = Answer(Topic.CHANGE, Verdict(Status.FAIL, 1, findings))
    assert mixed.checks(Status.FAIL) == ("responders",)
    assert mixed.checks(Status.INCONCLUSIVE) == ("convergence",)


#: Red: ClusterIP, by the check responders; also: shares.
FAULT = CATALOGUE["captured-by-host-port"]


@pytest.mark.parametrize(
    ("planted", "healed", "surprise"),
    [
        (answers({Topic.CLUSTER_IP}), answers(), ""),
        (answers({Topic.CLUSTER_IP}, {Topic.SHARES}), answers(), ""),
        (answers({Topic.CLUSTER_IP, Topic.SHARES}), answers(), ""),
        (answers(), answers(), "planted: ClusterIP is PASS instead of FAIL"),
        (answers(set(), {Topic.CLUSTER_IP}), answers(), "ClusterIP is INCONCLUSIVE instead of"),
        (answers({Topic.CLUSTER_IP, Topic.CHANGE}), answers(), "change is FAIL instead of PASS"),
        (answers({Topic.CLUSTER_IP}, {Topic.CHANGE}), answers(), "change is INCONCLUSIVE instead"),
        (answers({Topic.CLUSTER_IP}), answers({Topic.CHANGE}), "healed: change is FAIL"),
        (answers({Topic.CLUSTER_IP}), answers(set(), {Topic.SHARES}), "healed: shares is INCON"),
    ],
)
def test_a_fault_is_caught_only_as_declared(planted, healed, surprise):
    trial = Trial(fault=FAULT, planted=planted, healed=healed)
    assert trial.caught == (not surprise)
    assert all(surprise in text for text in trial.surprises)


def test_a_fault_that_was_not_planted_is_not_caught():
    assert not Trial(fault=FAULT, unplanted="no power").caught
    assert Trial(fault=FAULT, problem="nft: no").surprises == ("nft: no",)


def test_what_cannot_be_asked_here_is_not_missed():
    assert not_green({Topic.POD_LESS: lacking(Topic.POD_LESS)}, "healed") == ()


def lacking(topic: Topic) -> Answer:
    """A question that this cluster cannot be asked."""
    finding = Finding(status=Status.INCONCLUSIVE, summary="no client")
    return Answer(topic, Verdict(Status.INCONCLUSIVE, 0, (finding,)), unsupported=True)


def test_nobody_was_asked_is_not_caught():
    trial = Trial(fault=FAULT)
    assert not trial.caught
    assert trial.surprises == (
        "planted: ClusterIP was not asked",
        "healed: ClusterIP was not asked",
    )


@pytest.mark.parametrize("when", ["planted", "healed"])
def test_who_must_find_the_fault_and_cannot_be_asked_has_not_found_it(when):
    said = {"planted": answers({Topic.CLUSTER_IP}), "healed": answers()}
    said[when][Topic.CLUSTER_IP] = lacking(Topic.CLUSTER_IP)
    trial = Trial(fault=FAULT, **said)
    assert trial.surprises == (f"{when}: ClusterIP cannot be asked here: no client",)


def test_others_that_cannot_be_asked_are_not_missed():
    said = answers({Topic.CLUSTER_IP}) | {Topic.POD_LESS: lacking(Topic.POD_LESS)}
    assert Trial(fault=FAULT, planted=said, healed=answers()).caught


def test_the_question_found_it_by_another_check_than_the_one_that_must():
    wrong = Finding(status=Status.FAIL, summary="reachability: refused")
    said = answers() | {
        Topic.CLUSTER_IP: Answer(Topic.CLUSTER_IP, Verdict(Status.FAIL, 1, (wrong,)))
    }
    trial = Trial(fault=FAULT, planted=said, healed=answers())
    assert trial.surprises == ("planted: the check responders found nothing",)


def test_what_is_not_green_again_after_a_failed_planting_is_told():
    trial = Trial(fault=FAULT, problem="nft: no", healed=answers({Topic.CHANGE}))
    assert trial.surprises == ("nft: no", "healed: change is FAIL: responders: found")


class FakeBattery:
    """Gives answers in turn, and keeps what it was told when it was asked."""

    def __init__(self, *given: dict) -> None:
        self.given = list(given)
        self.told: list[list[FaultInjected]] = []

    def ask(self, label: str, *, events=(), **_: object) -> dict:
        self.told.append(list(events))
        return self.given.pop(0)


def proven(battery: FakeBattery, fault: Fault) -> Trial:
    facts = ClusterFacts(
        name="fake",
        kind="fake",
        kubernetes_version="1.36.4",
        proxy_mode="iptables",
        families=("ipv4",),
        node_names=("node-1", "node-2"),
    )
    scene = Scene(
        cluster=SimpleNamespace(facts=facts),
        namespace="ns",
        run="r",
        recorder=Recorder(None, run="r", case="faults"),
        manifests=(),
        home="node-1",
        node="node-2",
    )
    (trial,) = prove(battery, scene, [fault])
    return trial


#: Plants nothing, and is declared as FAULT is.
HARMLESS = replace(FAULT, inject=lambda *_: None, needs=())


def test_the_battery_is_told_what_was_done():
    battery = FakeBattery(answers({Topic.CLUSTER_IP}), answers())
    assert proven(battery, HARMLESS).caught
    planted, healed = battery.told
    assert [event.word for event in planted] == ["fault-injected"]
    assert [event.word for event in healed] == ["fault-injected", "fault-healed"]
    assert planted[0].slug == FAULT.slug


def test_a_fault_that_nobody_can_look_for_counts_as_not_planted():
    dark = answers() | {Topic.CLUSTER_IP: lacking(Topic.CLUSTER_IP)}
    trial = proven(FakeBattery(dark, dark), HARMLESS)
    assert trial.unplanted == "no question that must find it can be asked here: no client"
    assert not trial.caught


def test_what_it_left_behind_is_told_all_the_same():
    dark = answers() | {Topic.CLUSTER_IP: lacking(Topic.CLUSTER_IP)}
    trial = proven(FakeBattery(dark, dark | answers({Topic.CHANGE})), HARMLESS)
    assert not trial.unplanted
    assert "healed: change is FAIL: responders: found" in trial.surprises


def test_the_histories_of_the_battery_say_which_fault_is_planted(tmp_path):
    event = FaultInjected(index=7, at_ns=5, number=1, slug="rain", seconds=0.5)
    recorder = Recorder(tmp_path / "a.jsonl", run="r", case="a")
    Turn(Measurement("a", lambda *_: iter(()), ()), FakeBench(), recorder, [event])
    (written,) = recorder.freeze().events
    assert (written.index, written.word) == (0, "fault-injected")
    assert written.particulars == {"slug": "rain", "number": 1, "seconds": 0.5, "done_at_ns": 5}


def matrix(*faults: FaultLine, complete: bool = True) -> Matrix:
    return Matrix(
        schema=SCHEMA,
        svcproof="0",
        run="r1",
        cluster=ClusterLine(
            name="c",
            kind="embedded",
            kubernetes_version="1.36.4",
            proxy_mode="nftables",
            families=("ipv4",),
            nodes=3,
        ),
        home="node-1",
        node="node-3",
        topics=("ClusterIP", "shares"),
        faults=faults,
        seconds=1.0,
        complete=complete,
    )


def row(slug: str = "a-fault", **fields) -> FaultLine:
    return FaultLine(number=7, slug=slug, title="it breaks", symptom="it hurts", **fields)


def cell(*failed: str, undecided: tuple[str, ...] = ()) -> CellLine:
    return CellLine(
        topic="ClusterIP", answer="red", declared="red", failed=failed, undecided=undecided
    )


def chance(*failed: str) -> CellLine:
    return CellLine(topic="shares", answer="red", declared="any", failed=failed)


ROWS = (
    row("rain", caught=True, found_by=("latency",), planted=(cell("latency", "control"),)),
    row(
        "snow",
        caught=False,
        found_by=("latency",),
        planted=(cell(undecided=("control",)), chance("latency")),
    ),
    row("wind", caught=True, found_by=("sources",), planted=(cell("sources"), cell("latency"))),
    row("hail", caught=False, found_by=("latency",), unplanted="no power"),
)


def test_each_check_has_the_faults_that_it_found():
    assert check_lines(("latency", "control", "api"), ROWS) == (
        CheckLine(check="latency", due=("rain", "snow"), found=("rain",), also=("wind",)),
        CheckLine(check="control", also=("rain",), undecided=("snow",)),
        CheckLine(check="api"),
    )


def test_the_table_of_checks_adds_up_the_runs_of_a_mode():
    def proof(mode: str, *rows: FaultLine) -> Matrix:
        made = matrix(*rows)
        cluster = msgspec.structs.replace(made.cluster, proxy_mode=mode)
        checks = check_lines(("latency", "api"), rows)
        return msgspec.structs.replace(made, cluster=cluster, checks=checks)

    table = check_table(
        [proof("nftables", *ROWS), proof("iptables", *ROWS[:1]), proof("nftables", *ROWS[:1])]
    )
    assert table == [
        "| check | must find | nftables | iptables | failed as well under "
        "| could tell nothing under |",
        "| --- | --- | --- | --- | --- | --- |",
        "| latency | rain, snow | 2 of 3 | 1 of 1 | wind |  |",
        "| api | – | – | – |  |  |",
    ]


def test_the_report_has_the_table_of_checks():
    checks = check_lines(("latency",), ROWS)
    text = markdown(msgspec.structs.replace(matrix(*ROWS), checks=checks))
    assert "| latency | rain, snow | 1 of 2 | wind |  |" in text


def test_a_row_of_the_matrix():
    cells = (
        CellLine(topic="ClusterIP", answer="red", declared="red", finding="a | b\n<c>"),
        CellLine(topic="shares", answer="untold", declared="green", finding="dark"),
    )
    report = matrix(row(caught=False, planted=cells, surprises=("shares is dark",)))
    assert grid(report) == (
        ["fault", "ClusterIP", "shares", "caught"],
        [["7 a-fault", "✗", "**?**", "NO"]],
    )
    text = markdown(report)
    assert "| 7 a-fault | ✗ | **?** | NO |" in text
    assert "* ✗ ClusterIP: a \\| b &lt;c>" in text
    assert "* **not as declared**: shares is dark" in text
    assert summary(report) == "0 of 1 planted faults were caught as declared"


def test_a_fault_that_was_not_planted_has_its_reason_in_the_report():
    report = matrix(row(caught=False, unplanted="no power"), complete=False)
    assert "Not planted: no power." in markdown(report)
    assert summary(report).startswith("0 of 0 planted faults")
    assert summary(report).endswith("the run was broken off")
