"""What the command says of itself: help with examples that are right, errors, completion."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from svcproof.cli import cluster, group, main
from svcproof.clusters.automatic import chosen
from svcproof.clusters.options import ClusterOptions, ExistingOptions, choices, cluster_options
from svcproof.errors import UsageError
from svcproof.faults import CATALOGUE
from svcproof.fixtures.options import OPTIONS
from tests.unit.docs.commands import every_command, without_comment


def examples_of(command: click.Command) -> list[str]:
    """The lines that can be typed, from the end of the help."""
    _, _, text = (command.epilog or "").partition("Examples:\n")
    lines = [line.strip() for line in text.splitlines()] or _examples_within(command)
    return [without_comment(line) for line in lines if line]


def _examples_within(command: click.Command) -> list[str]:
    """Lines of the description itself, with a comment that is set off by spaces only."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    return [line.split("  ")[0] for line in lines if line.startswith("svcproof ")]


def words_for_svcproof(line: str) -> list[str]:
    """What of an example svcproof is called with; other programs and substitutions are theirs."""
    words = shlex.split(line.partition("|")[0].partition(" >")[0])
    if words[0] == "eval":
        words = shlex.split(words[1].removeprefix("$(").removesuffix(")"))
    assert words[0] == "svcproof"
    return words[1:]


def parse(words: list[str]) -> None:
    """Have click parse it as a call; a path need not be there."""
    context = group.make_context("svcproof", list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        try:
            context = command.make_context(name, rest, parent=context)
        except click.BadParameter as error:
            if "does not exist" not in str(error):
                raise
            return


def unknown_to_pytest(words: list[str]) -> list[str]:
    """The options among these words that neither svcproof's plugin nor pytest has."""
    of_pytest = {"-k", "-m", "-x", "-v", "-n", "--junit-xml", "--collect-only", "-q"}
    options = [word.split("=")[0] for word in words if word.startswith("-")]
    return [option for option in options if option not in OPTIONS and option not in of_pytest]


COMMANDS = every_command(group)


@pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=COMMANDS)
def test_each_command_ends_its_help_with_examples(name, command):
    found = examples_of(command)
    assert found, f"{name} has no example: give it an epilog by svcproof.cli.options.examples"
    assert any(re.search(rf"{name}\b", line) for line in found)


EXAMPLES = [(name, line) for name, command in COMMANDS.items() for line in examples_of(command)]


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_can_be_typed(name, line):
    words = words_for_svcproof(line)
    if words == ["COMMAND", "--help"]:
        return
    parse(words)
    if words[0] == "run":
        # The command says --svc-quick for it.
        assert unknown_to_pytest([word for word in words if word != "--quick"]) == []


@pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=COMMANDS)
def test_an_example_is_shown_as_it_is_typed(name, command):
    """Not wrapped, whatever the width; and nothing comes after."""
    if not command.epilog:
        return
    shown = command.get_help(click.Context(command, info_name=name, terminal_width=40))
    _, _, end = shown.partition("Examples:\n")
    lines = [without_comment(line.strip()) for line in end.splitlines() if line.strip()]
    assert lines == examples_of(command)


def svcproof(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "svcproof", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_help_of_run_tells_every_option_of_the_plugin():
    shown = svcproof("run", "--help").stdout
    assert [option for option in OPTIONS if option not in shown] == []
    assert "Examples:" in shown


def test_help_of_pytest_is_to_be_had():
    assert "--junit-xml" in svcproof("run", "-h").stdout


MINORS = choices()["kubernetes_version"]


@pytest.mark.parametrize(
    ("words", "valid"),
    [
        (["nonsense"], ["run", "up", "doctor", "components"]),
        (["components", "nonsense"], ["build", "list", "path", "wheel"]),
        (["up", "--proxy-mode", "ipvs"], choices()["proxy_mode"]),
        (["up", "--ip-families", "both"], choices()["ip_families"]),
        (["up", "--nodes", "99"], ["1 to 8"]),
        (["up", "--k8s-version", "1.1"], MINORS),
        (["up", "--nodez", "3"], ["--nodes"]),
        (["prove", "--only", "nonsense"], CATALOGUE),
        (["notes", "--only", "99"], ["1 pod", "13 externalname"]),
        (["components", "build", "--k8s-version", "1.1"], MINORS),
        (["components", "path", "--k8s-version", "1.1"], MINORS),
        (["components", "wheel", "--arch", "vax"], ["amd64", "arm64"]),
        (["kind-image", "--k8s-version", "1.1"], MINORS),
        (["logs", "--name", "no-such", "etcd"], ["running:"]),
        (["completion", "tcsh"], ["bash", "zsh", "fish"]),
        (["rights"], ["--user", "--service-account"]),
        (["run", "--svc-cluster", "nonsense"], choices()["kind"]),
        (["run", "--svc-nodes", "many"], ["1 to 8"]),
        (["run", "--svc-proxy-mode", "ipvs"], choices()["proxy_mode"]),
        (["run", "--svc-data-plane", "nonsense"], choices()["data_plane"]),
    ],
    ids=" ".join,
)
def test_an_error_lists_what_is_valid(words, valid):
    ended = svcproof(*words)
    assert ended.returncode == 4
    assert [value for value in valid if value not in ended.stdout + ended.stderr] == []


@pytest.mark.parametrize("argument", choices())
def test_choices_are_what_is_taken(argument):
    for value in choices()[argument]:
        cluster_options(**{argument: value})
    with pytest.raises(UsageError):
        cluster_options(**{argument: "nonsense"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_has_no_mistake_of_syntax(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(svcproof("completion", shell).stdout)
    assert "_SVCPROOF_COMPLETE" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    subprocess.run([shell, "-n", script], check=True, timeout=10)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (PermissionError(13, "Permission denied", "/var/lib/x"), 4, "svcproof: /var/lib/x: Perm"),
        (AttributeError("a fault of ours"), 3, "AttributeError: a fault of ours"),
    ],
)
def test_what_is_no_verdict_does_not_end_as_one(monkeypatch, capsys, error, code, told):
    """Python's own exit code for a traceback is that of a FAIL."""

    def status(**_):
        raise error

    monkeypatch.setattr(cluster.status, "callback", status)
    monkeypatch.setattr(sys, "argv", ["svcproof", "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert told in capsys.readouterr().err


def test_an_option_of_runs_that_is_nearly_right_is_said():
    ended = CliRunner().invoke(group, ["run", "--svc-porxy-mode", "nftables", "-k", "x"])
    assert str(ended.exception).startswith("there is no option --svc-porxy-mode")
    assert "did you mean --svc-proxy-mode?" in str(ended.exception)


def test_a_name_and_a_kubeconfig_are_two_clusters():
    options = ClusterOptions(kind="auto", name="a", existing=ExistingOptions(context="b"))
    with pytest.raises(UsageError, match="cluster a is named, and a kubeconfig"):
        chosen(options, print)


def completed(line: str) -> list[str]:
    """What is offered for the last word."""
    ended = svcproof(
        _SVCPROOF_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split(" ")) - 1),
    )
    return [offered.partition(",")[2] for offered in ended.stdout.splitlines()]


def test_a_shell_completes_commands():
    assert set(completed("svcproof ")) >= {"run", "up", "doctor", "completion"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("svcproof co", ["components", "completion"]),
        ("svcproof components b", ["build"]),
        ("svcproof up --proxy-mode ", ["iptables", "nftables"]),
        ("svcproof run --svc-prox", ["--svc-proxy-mode"]),
        ("svcproof prove --only prox", ["proxy-frozen"]),
        ("svcproof completion z", ["zsh"]),
    ],
)
def test_a_shell_completes(line, offered):
    assert completed(line) == offered
