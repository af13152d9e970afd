"""What the default run said of each planted fault, as data; comparing and tabulating it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tests.faults.plantings import Planting

__all__ = [
    "ABSENT",
    "BEGIN",
    "END",
    "HEALTHY",
    "SCHEMA",
    "Measured",
    "Run",
    "Stated",
    "differences",
    "is_red",
    "judgement",
    "plain",
    "statements",
    "table",
    "verdicts",
    "with_table",
]

SCHEMA: Final = 1
#: Stands in the place of a slug for the run without a fault.
HEALTHY: Final = "healthy"
#: Of a case that another run reported and this one did not.
ABSENT: Final = "absent"
BEGIN: Final = "<!-- begin of the table of runs -->"
END: Final = "<!-- end of the table of runs -->"

_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
#: A case that failed, and what the first pass does not get so far.
_RED: Final = re.compile(r"(FAIL|✗ not so far:)\s")
_RED_WORDS: Final = ("FAIL",)


class Stated(NamedTuple):
    """A statement about a culprit, and the nodes and objects that it blames."""

    text: str
    places: tuple[str, ...]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One default run.

    ``seconds`` is how long the whole command took, ``first_red`` when the first red line
    was on the screen, from the moment at which it had joined the cluster (None:
    never). Both without ``paused``: the time that it was held to plant the
    fault. ``verdicts`` are the cases that did not pass (case → word), ``passed`` those that
    did. ``right`` is whether the first statement names what it must, ``wrong`` names each
    statement that blames something else. ``problem`` is why the fault was not there, or not
    all the time.
    """

    slug: str
    seconds: float
    first_red: float | None
    paused: float
    exit_code: int
    ended: bool
    verdicts: Mapping[str, str]
    passed: Sequence[str]
    statements: Sequence[str] = ()
    culprit: Sequence[str] = ()
    right: bool = False
    wrong: Sequence[str] = ()
    replanted: int = 0
    problem: str = ""

    def verdict(self, case: str) -> str:
        """The word for one case."""
        return "PASS" if case in self.passed else self.verdicts.get(case, ABSENT)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one build on one kept cluster, the healthy one first."""

    schema: int = SCHEMA
    svcproof: str
    proxy_mode: str
    nodes: Sequence[str]
    node: str
    home: str
    arguments: Sequence[str]
    runs: Sequence[Run]

    @property
    def healthy(self) -> Run | None:
        """The run without a fault."""
        return next((run for run in self.runs if run.slug == HEALTHY), None)


def plain(line: str) -> str:
    """A line of a terminal as a person reads it: only what its last redrawing left."""
    return _ESCAPES.sub("", line).rstrip("\r\n").rpartition("\r")[2]


def is_red(line: str) -> bool:
    """Whether a line says that something failed; ``line`` is plain."""
    return _RED.match(line) is not None


def verdicts(results: Mapping[str, Any]) -> dict[str, str]:
    """Case → its word, in results.json of any version; the file's directory is left out.

    What fails after a verdict was given does not take the verdict's place.
    """
    words = {item["case"]: item["verdict"] for item in results["cases"]}
    for problem in results["problems"]:
        words.setdefault(problem["case"], problem["word"])
    return {_short(case): word for case, word in words.items()}


def _short(case: str) -> str:
    path, separator, test = case.partition("::")
    return f"{path.rpartition('/')[2]}{separator}{test}"


def statements(results: Mapping[str, Any]) -> tuple[Stated, ...]:
    """The statements about culprits in results.json; none in files of older versions."""
    return tuple(
        Stated(item["statement"], (*item["nodes"], *item["objects"]))
        for item in results.get("culprits", ())
    )


def judgement(stated: Sequence[Stated], culprit: Iterable[str]) -> tuple[bool, tuple[str, ...]]:
    """Whether the first statement names one of ``culprit``, and which statements are wrong.

    A statement is wrong when it blames a place, and none of ``culprit``. Words are
    whole: ``node-1`` is not in ``node-12``; a Deployment is in the names of its Pods.
    """
    blamed = tuple(culprit)
    right = bool(stated) and _names(stated[0], blamed)
    wrong = tuple(each.text for each in stated if each.places and not _names(each, blamed))
    return right, wrong


def _names(stated: Stated, words: Iterable[str]) -> bool:
    text = " ".join([stated.text, *stated.places])
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)", text) for word in words)


def differences(old: Measured, new: Measured) -> Iterator[tuple[str, str, str, str]]:
    """Slug, case and the two words, wherever two builds say something else of a fault."""
    before = {run.slug: run for run in old.runs}
    for run in new.runs:
        other = before.get(run.slug)
        for case in _cases(other, run) if other else ():
            words = other.verdict(case), run.verdict(case)
            if words[0] != words[1]:
                yield run.slug, case, *words


def _cases(*runs: Run) -> list[str]:
    return sorted({case for run in runs for case in (*run.passed, *run.verdicts)})


def table(measured: Sequence[Measured], plantings: Mapping[str, Planting]) -> list[str]:
    """One row for each fault, as Markdown; columns for each of the proxy modes."""
    heads = ["fault"]
    for each in measured:
        heads += [f"{each.proxy_mode}: s", "× healthy", "first red", "red", "named"]
    heads.append("the statement")
    slugs = dict.fromkeys(run.slug for each in measured for run in each.runs)
    known = [slug for slug in slugs if slug == HEALTHY or slug in plantings]
    rows = [_row(slug, measured, plantings) for slug in known]
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, rows)]


def _row(slug: str, measured: Sequence[Measured], plantings: Mapping[str, Planting]) -> list[str]:
    cells = [f"`{slug}`" if slug in plantings else slug]
    runs = [_run_of(each, slug) for each in measured]
    for each, run in zip(measured, runs, strict=True):
        cells += ["", "", "", "", ""] if run is None else _figures(run, each.healthy)
    stated = [run.statements[0] for run in runs if run is not None and run.statements]
    return [*cells, _flat(stated[0]) if stated else ""]


def _run_of(measured: Measured, slug: str) -> Run | None:
    return next((run for run in measured.runs if run.slug == slug), None)


def _figures(run: Run, healthy: Run | None) -> list[str]:
    """Seconds, the ratio, the first red line, red cases, whether the culprit is named."""
    more = "" if run.ended else ">"
    ratio = f"{more}{run.seconds / healthy.seconds:.1f}" if healthy else ""
    counts = Counter(run.verdicts.values())
    red = sum(counts[word] for word in _RED_WORDS)
    return [
        f"{more}{run.seconds:.0f}",
        ratio,
        "–" if run.first_red is None else f"{run.first_red:.0f}",
        str(red),
        _named(run),
    ]


def _named(run: Run) -> str:
    if run.wrong:
        return "**wrong**"
    if run.slug == HEALTHY:
        return "none" if not run.statements else "**alarm**"
    return "yes" if run.right else "no"


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def with_table(page: str, lines: Sequence[str]) -> str:
    """The page with these lines between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return "\n".join([f"{before}{begin}", "", *lines, "", f"{end}{after}"])
