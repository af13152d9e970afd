"""``svcproof run``: pytest on the suites that the installed package brings along."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from svcproof.cli.options import examples
from svcproof.errors import UsageError

__all__ = ["run"]

#: Those of pytest's own options that most want; ``svcproof run -h`` has all.
_OF_PYTEST: Final = (
    ("-k WORDS", "only the cases whose names match"),
    ("-m svc_slow", "only the cases that take their time (with --svc-slow)"),
    ("-x", "stop after the first failure"),
    ("-v", "a line for each case"),
    ("--junit-xml FILE", "results for a CI system"),
    ("--collect-only", "list the cases and run none"),
)
_EXAMPLES: Final = examples(
    "svcproof run                                     # a fresh cluster, all promises",
    "svcproof run --quick --svc-name default          # each kind of way once, in seconds",
    "svcproof run --svc-kubeconfig ~/.kube/config     # a cluster that is there",
    "svcproof run -k clusterip --svc-proxy-mode nftables",
    "svcproof run --svc-name default --junit-xml routing.xml",
)


class _OptionsOfPytest(click.Command):
    """Click parses none of the options, but it tells and completes them."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Those that the plugin adds to pytest, then some of pytest's own."""
        del ctx
        from svcproof.fixtures.options import OPTIONS

        rows = [
            (f"{option} {variable}".strip(), text + (f" (default: {default})" if default else ""))
            for option, (_, default, variable, text) in OPTIONS.items()
        ]
        rows.append(("--quick", "the same as --svc-quick"))
        rows.append(("--help", "show this message and exit; -h shows that of pytest"))
        with formatter.section("Options"):
            formatter.write_dl(rows)
        with formatter.section("Options of pytest, the most wanted ones"):
            formatter.write_dl(_OF_PYTEST)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The plugin's options, too."""
        from svcproof.fixtures.options import OPTIONS

        offered = [
            CompletionItem(option, help=text)
            for option, (_, _, _, text) in OPTIONS.items()
            if option.startswith(incomplete)
        ]
        return [*offered, *super().shell_complete(ctx, incomplete)]


@click.command(
    cls=_OptionsOfPytest,
    # No short name: click would find its letter in words that are pytest's, such as -rh.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    epilog=_EXAMPLES,
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def run(pytest_arguments: tuple[str, ...]) -> None:
    """Judge a cluster's routing: run the suites with pytest.

    All arguments are pytest's, the ``--svc-…`` options among them.
    """
    _refuse_misspelt(pytest_arguments)
    with as_file(files("svcproof")) as package:
        arguments = [
            f"--config-file={package / 'cli' / 'run.ini'}",
            # Not the package's directory: nothing is to be written there.
            f"--rootdir={Path.cwd()}",
            # Where it really is, so that the same directory by another path is no other one.
            str((package / "suites").resolve()),
            *("--svc-quick" if word == "--quick" else word for word in pytest_arguments),
        ]
        # In this process's place: signals and the exit code are pytest's. -P: modules of the
        # current directory are not meant, whatever their names are.
        os.execv(sys.executable, [sys.executable, "-P", "-m", "pytest", *arguments])


def _refuse_misspelt(words: tuple[str, ...]) -> None:
    """Of an option that is nearly one of ours pytest would only say that it does not know it."""
    given = [word.partition("=")[0] for word in words if word.startswith("--svc-")]
    if not given:
        return
    from svcproof.fixtures.options import OPTIONS  # pytest comes with it

    for name in given:
        near = [] if name in OPTIONS else get_close_matches(name, OPTIONS, n=1, cutoff=0.8)
        if near:
            raise UsageError(f"there is no option {name}", remedy=f"did you mean {near[0]}?")
