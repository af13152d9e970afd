"""From a run's rows to paths: what was asked of each way from a client to a backend, and what came.

A path is the finest thing that can be blamed: one question (``facet``), one client, the
node whose rules chose, and one backend. A connection that times out does not name its
backend; but one that was expected and never answered, where connections failed, does, and
those that answered are evidence that their paths work. What chance could have done is
left out: it is neither.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from svcproof.results import BackendLine, CaseResult, CellLine, EndpointsLine, Problem

__all__ = ["LOSSES", "OF_THE_DNS", "Evidence", "Pair", "Path", "Seen", "see"]

#: A pair of a run: the case, and the number of its row; below 0 what is no pair of anybody.
Pair = tuple[str, int]
_API: Final = -100
_PROBLEM: Final = -101

#: How the check of clients says on which node there is none.
_NO_CLIENT: Final = re.compile(r"clients: no client on (\S+):")
#: Some were lost, and nobody knows where: as which question the places are asked of it.
LOSSES: Final = {"loss": "reach", "name-loss": "name"}
#: Questions that the DNS answers.
OF_THE_DNS: Final = ("name", "record", "absence")
_NAMES: Final = ("short-name", "fqdn", "dns")
#: The DNS said something, whatever it was.
_TOLD: Final = ("answered", "name-failed")
_LOOKUP_FAILED: Final = ("timed-out", "name-failed", "refused", "unreachable", "reset")
#: So improbable must it be that a backend that never answered was only never chosen.
_CHANCE: Final = 1e-4
#: From so many failures, and such a share of all, something is broken that fails now and then.
_SOME: Final = 3
_SHARE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One question of one path. What does not apply, or is not known, is "".

    ``facet``: ``reach`` (does the backend answer), ``refusal`` (does it fail as it must),
    ``responder`` (nobody else answers), ``name`` (does the name resolve), ``record`` (to what),
    ``absence`` (is a missing record told as that), ``source``, ``share``, ``affinity``,
    ``health``, ``endpoints``, ``api``, ``client`` (can it be asked); ``loss``: some of the
    connections failed, and this may be where, ``name-loss``: few of the lookups. ``entry`` is the
    node whose rules choose the backend, ``at`` the backend's node and ``namespace`` its
    namespace, ``payload`` in bytes.
    """

    facet: str
    kind: str = ""
    node: str = ""
    client: str = ""
    entry: str = ""
    form: str = ""
    service: str = ""
    protocol: str = ""
    family: str = ""
    payload: int = 0
    backend: str = ""
    at: str = ""
    namespace: str = ""

    @property
    def app(self) -> tuple[str, str]:
        """Namespace and name of the backend's Deployment: that of its Pods without the two parts
        that make them unique; no name if the Pod has none."""
        parts = self.backend.rsplit("-", 2)
        return self.namespace, parts[0] if len(parts) == 3 else ""


@dataclass(slots=True)
class Seen:
    """What was seen of one path: the pairs in which it was well or not, and how; how many
    connections were answered, and in which pairs how many of those took a second SYN."""

    good: set[Pair] = field(default_factory=set)
    bad: set[Pair] = field(default_factory=set)
    symptoms: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    late: Counter[Pair] = field(default_factory=Counter)


@dataclass(frozen=True)
class Evidence:
    """All paths of a run, and every pair that is red, whether or not it says which path is."""

    paths: Mapping[Path, Seen]
    red: frozenset[Pair]

    @cached_property
    def broken(self) -> tuple[Path, ...]:
        """The paths that were seen broken."""
        return tuple(path for path, seen in self.paths.items() if seen.bad)

    @cached_property
    def well(self) -> tuple[Path, ...]:
        """The paths that were well whenever they were seen."""
        return tuple(path for path, seen in self.paths.items() if seen.good and not seen.bad)

    @cached_property
    def by_pair(self) -> Mapping[Pair, Sequence[Path]]:
        """The broken paths of each red pair that has any."""
        found: dict[Pair, list[Path]] = defaultdict(list)
        for path in self.broken:
            for pair in self.paths[path].bad:
                found[pair].append(path)
        return found


def see(cases: Iterable[CaseResult], problems: Iterable[Problem] = ()) -> Evidence:
    """What a run's cases say of its paths, and those that could not be asked, of their clients."""
    paths: dict[Path, Seen] = defaultdict(Seen)
    red: set[Pair] = set()
    for case in cases:
        red |= {(case.case, n) for n, cell in enumerate(case.cells) if cell.verdict == "FAIL"}
        for pair, path, symptom in _of_case(case):
            _note(paths[path], pair, symptom)
        for number, cell in enumerate(case.cells):
            _count(paths, (case.case, number), cell)
    for pair, path in _of_problems(problems, {n for p in paths for n in (p.node, p.entry) if n}):
        _note(paths[path], pair, "cannot be asked")
    red |= {pair for seen in paths.values() for pair in seen.bad}
    return Evidence(dict(paths), frozenset(red))


def _count(paths: Mapping[Path, Seen], pair: Pair, cell: CellLine) -> None:
    for backend in cell.backends:
        seen = paths[_to(backend, _whole(cell, "reach"))]
        seen.answers += backend.answers
        if backend.slow:
            seen.late[pair] += backend.slow


def _of_problems(
    problems: Iterable[Problem], nodes: Collection[str]
) -> Iterator[tuple[Pair, Path]]:
    """The nodes that are named where a case did not come to a verdict."""
    for problem in problems:
        words = set(re.findall(r"[\w.-]*\w", problem.reason))
        if problem.word != "not supported":
            for node in words.intersection(nodes):
                yield (problem.case, _PROBLEM), Path(facet="client", node=node)


def _note(seen: Seen, pair: Pair, symptom: str) -> None:
    (seen.bad if symptom else seen.good).add(pair)
    if symptom:
        seen.symptoms[symptom] += 1


def _of_case(case: CaseResult) -> Iterator[tuple[Pair, Path, str]]:
    for number, cell in enumerate(case.cells):
        for path, symptom in _of_cell(cell):
            yield (case.case, number), path, symptom
    for number, line in enumerate(case.endpoints, 1):
        for path, symptom in _of_endpoints(line):
            yield (case.case, -number), path, symptom
    for found in case.findings:
        missing = _NO_CLIENT.match(found.summary)
        if missing:
            yield (case.case, _PROBLEM), Path(facet="client", node=missing[1]), "cannot be asked"
        if found.status == "FAIL" and found.summary.startswith("api: "):
            yield (case.case, _API), Path(facet="api"), found.seen or found.summary


def _of_endpoints(line: EndpointsLine) -> Iterator[tuple[Path, str]]:
    for names, symptom in ((line.listed, ""), (line.missing, "lack"), (line.unexpected, "list")):
        for name in names:
            pod = "" if name.startswith("(") else name.partition(" ")[0]
            yield Path(facet="endpoints", service=line.service, backend=pod), symptom


def _of_cell(cell: CellLine) -> Iterator[tuple[Path, str]]:
    """The paths of one row, each with its symptom, which is "" where all was well."""
    whole = _whole(cell)
    if cell.node and any(end != "unknown" for end in cell.endings):
        yield Path(facet="client", node=cell.node), ""
    if cell.form in _NAMES and not cell.server_pod:
        yield from _name(cell, replace(whole, entry=cell.node))
    if cell.server_pod or cell.form == "connect":
        yield from _connected(cell, whole)
    elif cell.form in ("dns", "health-check"):
        yield from _answer(cell, whole)
    elif "answered" in cell.promised:
        yield from _reach(cell, whole)
        yield from _beside(cell, whole)
    else:
        yield from _refusal(cell, whole)


def _whole(cell: CellLine, facet: str = "") -> Path:
    return Path(
        facet=facet,
        kind="pod" if cell.kind == "backend" else cell.kind,
        node=cell.node,
        client=cell.client,
        entry=_entry(cell),
        form=cell.form,
        service=cell.service,
        protocol=cell.protocol,
        family=cell.family,
        payload=cell.payload,
    )


def _entry(cell: CellLine) -> str:
    if cell.form == "pod-ip":
        return ""
    return cell.entry_node or cell.node


def _name(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """Did the DNS answer at all? What it says is another question: that a record or a name is
    missing which is missing is what a DNS says, too, that fails at all names."""
    if "name-failed" in cell.endings and (cell.lacking or "name-failed" in cell.promised):
        return
    ends = _LOOKUP_FAILED if cell.form == "dns" else ("name-failed",)
    failed = sum(cell.endings.get(end, 0) for end in ends if end not in cell.promised)
    told = cell.judged - cell.endings.get("unknown", 0)
    if cell.verdict == "FAIL" and _is_notable(failed, told):
        yield replace(whole, facet="name"), "name-failed" if failed == told else "now and then"
    elif cell.verdict == "FAIL" and failed:
        yield replace(whole, facet="name-loss"), "now and then"
    elif told and not failed:
        yield replace(whole, facet="name"), ""


def _answer(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """Is what it says right? Only of those that said something."""
    facet = "record" if cell.form == "dns" else "health"
    if cell.lacking and set(cell.endings).intersection(_TOLD):
        failed = cell.endings.get("name-failed", 0)
        told = sum(cell.endings.get(end, 0) for end in _TOLD)
        if not failed or (cell.verdict == "FAIL" and _is_notable(failed, told)):
            yield replace(whole, facet="absence"), "name-failed" if failed else ""
    if set(cell.endings) & {"answered", *cell.promised}:
        yield replace(whole, facet=facet), "wrong" if _fails(cell, "answers") else ""
    elif facet == "health" and cell.verdict == "FAIL":
        yield replace(whole, facet=facet), _most(cell)


def _connected(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """Is one reached that is no backend of ours: a name server by its Pod's address, the API
    server?"""
    path = replace(whole, facet="reach")
    if cell.server_pod:
        path = replace(path, facet="name", entry="", backend=cell.server_pod, at=cell.entry_node)
    lost = {end: n for end, n in cell.endings.items() if end in _LOOKUP_FAILED}
    is_notable = not cell.server_pod or _is_notable(sum(lost.values()), cell.judged)
    if cell.verdict == "FAIL" and lost and is_notable:
        yield path, "name-failed" if cell.server_pod else max(lost, key=lambda end: lost[end])
    elif "answered" in cell.endings and not lost:
        yield path, ""


def _reach(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """Which backends answered, and which never did although connections failed."""
    reach = replace(whole, facet="reach")
    expected = [backend for backend in cell.backends if backend.expected]
    yield from ((_to(backend, reach), "") for backend in expected if backend.answers)
    captured = any(backend.answers for backend in cell.backends if not backend.expected)
    if cell.verdict == "FAIL" and not captured and cell.endings.get("name-failed", 0) < cell.judged:
        yield from ((path, _most(cell)) for path in _unreached(cell, reach, expected))


def _unreached(cell: CellLine, reach: Path, expected: Sequence[BackendLine]) -> Iterator[Path]:
    """The backends that never answered, if it is they that the failed connections were led to;
    else all of them: some connections were lost, and nobody knows whose."""
    silent = [backend for backend in expected if not backend.answers]
    if not expected:
        yield reach
    elif cell.covered and silent and _are_broken(cell, expected):
        yield from (_to(backend, reach) for backend in silent)
    elif cell.failed > cell.endings.get("name-failed", 0):
        yield from (_to(backend, replace(reach, facet="loss")) for backend in expected)


def _is_notable(failed: int, told: int) -> bool:
    """Whether so many of all are more than some that a busy machine lost."""
    return failed >= _SOME and failed >= _SHARE * told


def _are_broken(cell: CellLine, expected: Sequence[BackendLine]) -> bool:
    """Whether those that never answered cannot have been left out by chance, and the others
    answered about their share: so it was not they that lost connections."""
    tried = cell.judged - cell.endings.get("unknown", 0) - cell.endings.get("name-failed", 0)
    answers = [backend.answers for backend in expected if backend.answers]
    left_out = len(expected) * (1 - 1 / len(expected)) ** tried if len(expected) > 1 else 0.0
    fair = len(answers) * tried / len(expected)
    return tried > 0 and left_out < _CHANCE and sum(answers) >= fair / 2


def _beside(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """What else is asked of connections that are answered."""
    strangers = [backend.pod for backend in cell.backends if not backend.expected]
    if any(backend.answers for backend in cell.backends):
        wrong = strangers[0] if _fails(cell, "responders") and strangers else ""
        yield replace(whole, facet="responder"), wrong
    for backend in cell.backends if "sources" in cell.checks else ():
        if backend.answers:
            wrong = "wrong" if backend.wrong_source else ""
            yield _to(backend, replace(whole, facet="source")), wrong
    well = not cell.failed and all(b.answers or not cell.covered for b in cell.backends)
    for check, facet in (("distribution", "share"), ("affinity", "affinity")):
        if check in cell.checks and (well or (facet == "affinity" and _fails(cell, check))):
            yield replace(whole, facet=facet), "wrong" if _fails(cell, check) else ""


def _refusal(cell: CellLine, whole: Path) -> Iterator[tuple[Path, str]]:
    """Where nobody may answer: as promised, or in which other way."""
    if cell.verdict == "FAIL":
        yield replace(whole, facet="refusal"), _most(cell)
    elif set(cell.endings) & set(cell.promised):
        yield replace(whole, facet="refusal"), ""


def _to(backend: BackendLine, path: Path) -> Path:
    return replace(path, backend=backend.pod, at=backend.node, namespace=backend.namespace)


def _fails(cell: CellLine, check: str) -> bool:
    return cell.checks.get(check) == "FAIL"


def _most(cell: CellLine) -> str:
    """How most of those ended that did not end as promised."""
    others = {end: n for end, n in cell.endings.items() if end not in (*cell.promised, "unknown")}
    return max(others, key=lambda end: others[end]) if others else "never chosen"
