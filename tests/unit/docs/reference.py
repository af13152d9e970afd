"""docs/reference.md, made from the code: `python -m tests.unit.docs.reference` writes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import getsource
from pathlib import Path

import click

from svcproof.cli import group
from svcproof.clusters.options import choices
from svcproof.errors import EXIT_CODES
from svcproof.fixtures import plugin
from svcproof.fixtures.options import OPTIONS
from svcproof.history import Outcome
from svcproof.verdict import Status
from tests.unit.docs.commands import every_command

__all__ = ["COMMAND", "FILE", "reference"]

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docs" / "reference.md"
COMMAND = "python -m tests.unit.docs.reference"

_HEAD = f"""\
# Reference

This page is made from the code by `{COMMAND}`; a test fails when the two differ.
"""
#: Which argument of ``cluster_options`` an option ends up in, where only some values will do.
_ARGUMENTS = {
    "--svc-cluster": "kind",
    "--svc-k8s-version": "kubernetes_version",
    "--svc-nodes": "nodes",
    "--svc-proxy-mode": "proxy_mode",
    "--svc-ip-families": "ip_families",
    "--svc-data-plane": "data_plane",
}


def reference() -> str:
    """The whole page."""
    parts = (_HEAD, _options(), _commands(), _fixtures(), _markers(), _codes(), _outcomes())
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _options() -> str:
    valid = choices()
    rows = [
        (
            _code(f"{option} {variable}".strip()),
            text,
            ", ".join(map(_code, valid.get(_ARGUMENTS.get(option, ""), ()))),
            _code(default) if variable else "off",
            _code(name),
        )
        for option, (name, default, variable, text) in OPTIONS.items()
    ]
    return (
        "## Options of `svcproof run` and of pytest\n\n"
        "Each can be set in pytest's ini file, too, by the name in the last column.\n\n"
        + _table(("option", "meaning", "values", "default", "ini"), rows)
    )


def _commands() -> str:
    found = every_command(group)
    overview = [
        (f"[`{name}`](#{name.replace(' ', '-')})", _first_sentence(command))
        for name, command in found.items()
        if command is not group
    ]
    parts = ["## Commands\n", _table(("command", "does"), overview)]
    parts += [_command(name, command) for name, command in found.items() if command is not group]
    return "\n".join(parts)


def _first_sentence(command: click.Command) -> str:
    return command.get_short_help_str(limit=200)


def _command(name: str, command: click.Command) -> str:
    names = {"help_option_names": ["-h", "--help"]} | command.context_settings
    context = click.Context(
        command,
        info_name=name,
        terminal_width=96,
        max_content_width=96,
        help_option_names=names["help_option_names"],
    )
    shown = command.get_help(context)
    return f"### {name}\n\n```text\n{shown}\n```\n"


@dataclass(frozen=True)
class _Fixture:
    """What the source says of a fixture."""

    name: str
    scope: str
    text: str


def _fixtures() -> str:
    found = {each.name: each for each in _declared_fixtures()}
    rows = [
        (_code(name), found[name].scope, _markdown(found[name].text)) for name in plugin.__all__
    ]
    return "## Fixtures\n\nHow they are used: [your own tests](your-own-tests.md).\n\n" + _table(
        ("fixture", "scope", "is"), rows
    )


def _declared_fixtures() -> Iterator[_Fixture]:
    """From the source, for what pytest makes of a fixture differs from version to version."""
    for path in sorted(Path(plugin.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (scope := _scope(node)):
                yield _Fixture(node.name, scope, ast.get_docstring(node) or "")


def _scope(node: ast.FunctionDef) -> str:
    for decorator in map(ast.unparse, node.decorator_list):
        if decorator.startswith("pytest.fixture"):
            named = re.search(r"scope='(\w+)'", decorator)
            return named[1] if named else "function"
    return ""


def _markdown(docstring: str) -> str:
    """Sphinx' roles and literals as Markdown's; one line, for a table."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", docstring)
    return " ".join(text.replace("``", "`").split())


def _markers() -> str:
    rows = [tuple(text.split(": ", 1)) for text in plugin._MARKERS]
    return "## Markers\n\n" + _table(
        ("marker", "meaning"), [(_code(mark), meaning) for mark, meaning in rows]
    )


def _codes() -> str:
    rows = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    words = ", ".join(_code(status.word) for status in Status)
    return (
        "## Exit codes and verdicts\n\n"
        + _table(("exit code", "meaning"), rows)
        + f"\nVerdicts, the worst last: {words}. When a case gets which: "
        "[the verdicts](how-it-decides.md#5-the-verdicts).\n"
    )


def _outcomes() -> str:
    rows = [(_code(word), meaning) for word, meaning in outcome_meanings().items()]
    return "## Outcomes of one attempt\n\n" + _table(("outcome", "means"), rows)


def outcome_meanings() -> dict[str, str]:
    """The comment above each word in the source."""
    pairs = re.findall(r"#: (.+)\n\s+\w+ = \"(.+)\"", getsource(Outcome))
    return {word: meaning for meaning, word in pairs}


if __name__ == "__main__":
    FILE.write_text(reference())
