"""`svcproof notes` without a cluster: the catalogue, the steps' rules, and what is written."""

import dataclasses
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import svcproof
from svcproof.cli.notes import notes
from svcproof.cli.tour_programs import programs_for
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import NotSupported, UsageError, WaitExpired
from svcproof.history import Attempt, Backend, Outcome, Position, Promise, Target
from svcproof.images import ImageRecipe
from svcproof.manifest_files import RUN_LABEL, load
from svcproof.notes.catalogue import EXPERIMENTS, Experiment, chosen
from svcproof.notes.ground import RUN, Ground, recipes
from svcproof.notes.guide import take
from svcproof.notes.html import html
from svcproof.notes.kubectl import Kubectl
from svcproof.notes.markdown import markdown
from svcproof.notes.measured import table
from svcproof.notes.model import Step, Told, Tour
from svcproof.notes.terminal import lines, result
from svcproof.recorder import Recorder

MANIFESTS = Path(svcproof.__file__).parent / "manifests" / "notes"
#: click keeps a command's help option from its first use: it has to be that of svcproof.
AS_MAIN = {"help_option_names": ["-h", "--help"]}


def kubectl(tmp_path, script: str) -> Kubectl:
    """A kubectl that is a few lines of Python; its arguments are in sys.argv."""
    program = tmp_path / "kube"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    program.chmod(0o755)
    return Kubectl(program, tmp_path / "kubeconfig", tmp_path)


def taken(script, tmp_path, prints: str = "print('a 1')") -> Told:
    experiment = Experiment(1, "trial", "A trial", "it happens", script)
    return take(experiment, None, kubectl(tmp_path, prints), lambda _: None)


def test_all_thirteen_are_there_in_order():
    assert [each.number for each in EXPERIMENTS] == list(range(1, 14))
    assert len({each.slug for each in EXPERIMENTS}) == 13


def test_they_are_listed():
    result = CliRunner().invoke(notes, ["--list"], **AS_MAIN)
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.output.splitlines()] == [
        each.slug for each in EXPERIMENTS
    ]


def test_chosen_by_number_and_by_name_in_the_notes_order():
    assert [each.number for each in chosen("policy-local, 9")] == [9, 11]


def test_an_unknown_experiment_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="no experiment 14; there are: 1 pod, 2 sidecar, "):
        CliRunner().invoke(notes, ["--only", "14"], catch_exceptions=False, **AS_MAIN)


@pytest.mark.parametrize(
    ("file", "kind", "name"),
    [
        ("nginx-pod", "Pod", "my-nginx-pod"),
        ("replicaset-nginx", "ReplicaSet", "replicaset-nginx"),
        ("nginx-deployment", "Deployment", "my-nginx-deployment"),
        ("hostname-deployment", "Deployment", "hostname-deployment"),
        ("hostname-svc-clusterip", "Service", "hostname-svc-clusterip"),
        ("hostname-svc-nodeport", "Service", "hostname-svc-nodeport"),
        ("externalname-svc", "Service", "externalname-svc"),
    ],
)
def test_the_objects_have_the_notes_own_names(file, kind, name):
    (item,) = load(MANIFESTS / f"{file}.yaml")
    assert (item["kind"], item["metadata"]["name"]) == (kind, name)


def test_the_web_servers_bear_the_mark_that_answers_are_known_by():
    (deployment,) = load(MANIFESTS / "hostname-deployment.yaml")
    assert deployment["spec"]["template"]["metadata"]["labels"][RUN_LABEL] == RUN


def test_every_image_of_the_notes_is_brought():
    brought = [recipe.reference for recipe in recipes(Path("/program"))]
    assert all(isinstance(recipe, ImageRecipe) for recipe in recipes(Path("/program")))
    assert "docker.io/library/nginx:1.11" in brought
    for path in MANIFESTS.glob("*.yaml"):
        for line in path.read_text().splitlines():
            name, _, image = line.strip().removeprefix("- ").partition("image: ")
            if not name and image and not image.startswith("svcproof.dev/"):
                wanted = f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
                assert wanted in brought


@pytest.mark.parametrize(
    ("families", "nodes"), [(("ipv4", "ipv6"), 3), (("ipv6",), 3), (("ipv4",), 1)]
)
def test_where_the_tour_cannot_happen_it_says_so(families, nodes, tmp_path):
    facts = SimpleNamespace(families=families, node_names=("node",) * nodes)
    with pytest.raises(NotSupported, match=f"{' and '.join(families)} and {nodes} nodes"):
        Ground(SimpleNamespace(facts=facts), MANIFESTS).prepare(tmp_path / "program", tmp_path)


def test_kubectl_keeps_lines_and_shows_that_it_does(tmp_path):
    ran = kubectl(tmp_path, "print('one'); print('two')").run("get x", only="^t")
    assert ran == ("kubectl get x | grep -E '^t'", "two", 0)


def test_kubectl_picks_matches_and_shows_that_it_does(tmp_path):
    ran = kubectl(tmp_path, "print('a=1 b=2 c')").run("get x", pick="[a-z]=.")
    assert ran == ("kubectl get x | grep -oE '[a-z]=.'", "a=1\nb=2", 0)


def test_what_was_refused_is_shown_whole(tmp_path):
    ran = kubectl(tmp_path, "sys.exit('error: no such thing')").run("get x", pick="never")
    assert ran[1:] == ("error: no such thing", 1)


def test_a_step_that_happens_passes(tmp_path):
    def script(stage):
        stage.kubectl("get x", "Look.", shows="^a 1$", expected="a is 1")

    told = taken(script, tmp_path)
    assert told.passed
    (step,) = told.steps
    assert (step.command, step.output, step.expected) == ("kubectl get x", "a 1", "a is 1")


def test_a_step_that_does_not_happen_ends_the_experiment_with_expected_and_seen(tmp_path):
    def script(stage):
        stage.kubectl("get x", "Look.", shows="^a 2$", expected="a is 2", limit=0.5)
        stage.say("never said")

    told = taken(script, tmp_path)
    assert not told.passed
    (step,) = told.steps
    assert step.expected == "a is 2"
    assert "exit code 0" in step.seen
    assert "a 1" in step.seen


def test_what_looks_is_asked_again_until_it_is_so(tmp_path):
    script = "open('n', 'a').write('x'); print('n', len(open('n').read()))"

    def steps(stage):
        stage.kubectl("get x", "Look.", shows="^n 3$")

    assert taken(steps, tmp_path, script).passed


def test_what_changes_something_is_done_once(tmp_path):
    script = "open('n', 'a').write('x'); print('n', len(open('n').read()))"

    def steps(stage):
        stage.kubectl("scale x", "Change.", shows="^n 3$")

    told = taken(steps, tmp_path, script)
    assert [step.output for step in told.steps] == ["n 1"]
    assert not told.passed


def test_so_many_times_and_no_more(tmp_path):
    def steps(stage):
        stage.kubectl("get x", "Look.", shows="^a", times=2, limit=0.1)

    assert not taken(steps, tmp_path, "print('a\\na\\na')").passed
    assert taken(steps, tmp_path, "print('a\\na')").passed


def test_what_must_be_refused_is_not_passed_when_accepted(tmp_path):
    def steps(stage):
        stage.kubectl("create x", "Ask.", shows="a", fails=True)

    assert not taken(steps, tmp_path).passed
    assert taken(steps, tmp_path, "sys.exit('a is refused')").passed


def test_trouble_ends_an_experiment_and_is_told(tmp_path):
    def steps(stage):
        raise WaitExpired("the Pods", limit=1, last_state="none is there")

    told = taken(steps, tmp_path)
    assert not told.passed
    assert "none is there" in told.trouble


def test_what_the_cluster_cannot_do_is_nobodys_failure(tmp_path):
    def steps(stage):
        stage.say("Now a node is lost.")
        raise NotSupported("the nodes of this cluster cannot be stopped")

    told = taken(steps, tmp_path)
    assert (told.passed, told.failed, told.outcome) == (False, False, "not supported")
    assert "| **not supported** |" in (text := markdown(Tour(cluster="", experiments=[told])))
    assert "not taken:** the nodes of this cluster cannot be stopped" in text
    assert "not supported, 0 checks" in result(told)


def a_tour() -> Tour:
    steps = (
        Step(kind="manifest", text="A file.", command="pod.yaml", output="kind: Pod"),
        Step(
            kind="command",
            text="Run it.",
            command="kubectl get pods",
            output="a 1",
            look="the 1",
            expected="one",
            seen="after 2.0 s",
        ),
        Step(kind="correction", text="It ends at 32767."),
        Step(kind="measured", text="Ask.", output="x", expected="y", seen="z", passed=False),
    )
    told = Told(
        number=8, slug="nodeport", title="A port", says="it is open", steps=steps, seconds=1.5
    )
    return Tour(cluster="Kubernetes 1", experiments=[told])


def test_the_document_shows_all_that_was_run_and_what_came_of_it():
    text = markdown(a_tour())
    assert "| 8 | [A port](#8-a-port) | 2 | 1.5 s | **did not happen** |" in text
    assert "## 8. A port\n\n**The notes say:** it is open" in text
    assert "`pod.yaml`:\n\n```yaml\nkind: Pod\n```" in text
    assert "```console\n$ kubectl get pods\na 1\n```" in text
    assert "*Look at:* the 1" in text
    assert "✓ one (after 2.0 s)" in text
    assert "> **The notes are corrected here.** It ends at 32767." in text
    assert "✗ **Expected:** y\n\n**Seen:**\n\n```text\nz\n```" in text


def test_the_terminal_shows_the_same():
    (told,) = a_tour().experiments
    shown = [text for step in told.steps for text, _ in lines(step)]
    assert "    $ kubectl get pods" in shown
    assert "  ✓ one (after 2.0 s)" in shown
    assert "  ✗ expected: y" in shown
    assert "DID NOT HAPPEN, 2 checks, 1.5 s" in result(told)


def test_the_page_is_the_document_and_loads_nothing():
    step = Step(kind="command", text="Ask <b>.", command="kubectl get", output="<script>&")
    (told,) = a_tour().experiments
    tour = Tour(cluster="c", experiments=[dataclasses.replace(told, steps=(*told.steps, step))])
    page = html(markdown(tour))
    assert '<a href="#8-a-port">' in page
    assert '<h2 id="8-a-port">' in page
    assert "<table>" in page
    assert "&lt;script&gt;&amp;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "{%" not in page
    assert re.findall(r'(?:src|href)="(?!#|data:)', page) == []


def test_one_experiment_is_not_experiments():
    (told,) = a_tour().experiments
    assert Tour(cluster="", experiments=[told]).took == "1 experiment in 2 s"
    assert Tour(cluster="", experiments=[told, told]).took == "2 experiments in 3 s"


def test_each_measurement_has_a_history_of_its_own(tmp_path):
    ground = Ground(None, MANIFESTS, evidence=tmp_path)
    names = [path.name for path in (ground.next_history(), ground.next_history()) if path]
    assert names == ["measurement-01.jsonl", "measurement-02.jsonl"]
    assert Ground(None, MANIFESTS).next_history() is None
    told = dataclasses.replace(a_tour().experiments[0], steps=(measured("kept/x.jsonl"),))
    assert "Every connection: `kept/x.jsonl`" in markdown(Tour(cluster="", experiments=[told]))


def measured(history: str) -> Step:
    return Step(kind="measured", text="Ask.", output="x", history=history)


def test_nothing_taken_is_nothing_passed():
    assert not Tour(cluster="", experiments=[]).passed


def test_a_measurement_is_told_with_shares_and_sources():
    client = Position(name="outside", kind="outside")
    target = Target(name="svc at node-1", service="svc", form="node-port", host="h", port=1)
    recorder = Recorder(None, run=RUN, case="c")
    recorder.expect(client, target, Promise(outcome=Outcome.ANSWERED, rule=""))
    for number in range(4):
        backend = Backend(pod=f"web-{'ab'[number // 3]}", node="node-2")
        recorder.observe(
            client,
            target,
            attempt(at_ns=number, backend=backend, source_address="10.0.0.1"),
        )
    shown = table(recorder.freeze())
    assert "4 answered" in shown
    assert "…a 3 (75%), …b 1 (25%)" in shown
    assert "10.0.0.1 (on node-2)" in shown


def attempt(**fields):
    return Attempt(outcome=Outcome.ANSWERED, **fields)


def test_a_cluster_without_a_kubeconfig_cannot_have_the_tour():
    with pytest.raises(NotSupported, match="a cluster of kind fake has no kubeconfig"):
        programs_for(FakeCluster())
