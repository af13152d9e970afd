"""What the page shows, as plain values: whatever is computed, is computed before the template."""

from __future__ import annotations

from dataclasses import dataclass

from svcproof.results import ClusterLine, Culprit, Problem

__all__ = [
    "AttemptRow",
    "CaseView",
    "ConvergenceRow",
    "FindingGroup",
    "FindingPlace",
    "Grid",
    "GridCell",
    "GridRow",
    "Heat",
    "HeatCell",
    "HeatRow",
    "Lack",
    "LatencyRow",
    "Mark",
    "Page",
    "PromiseView",
    "Segment",
    "Strip",
    "Theme",
    "Timeline",
]


@dataclass(frozen=True, slots=True)
class GridCell:
    """One client and one entry; ``state`` is ok, bad, unsure or none."""

    state: str
    expected: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class GridRow:
    """One client, and a cell for each entry."""

    client: str
    cells: tuple[GridCell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Client × entry: what was promised, and what was seen."""

    entries: tuple[str, ...]
    rows: tuple[GridRow, ...]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A share with its interval (95 %), all of 1; ``due`` is whether that Pod may answer here."""

    count: int
    share: float
    low: float
    high: float
    due: bool = True


@dataclass(frozen=True, slots=True)
class HeatRow:
    """The node whose rules decided, and how its connections were shared."""

    node: str
    total: int
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class Heat:
    """Node × Pod; ``fair`` is the share that each Pod would have if all had the same."""

    title: str
    pods: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    fair: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a timeline, in thousandths of it."""

    start: int
    width: int
    state: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One client and one entry over time."""

    where: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A change or a fault, at so many thousandths of the timeline."""

    number: int
    at: int
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """How attempts ended over time, and what was done meanwhile."""

    seconds: float
    strips: tuple[Strip, ...]
    marks: tuple[Mark, ...]
    hidden_strips: int = 0
    hidden_marks: int = 0


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt as evidence; ``odd`` if a finding names it."""

    index: int
    seconds: float
    clock: str
    where: str
    outcome: str
    backend: str
    source: str
    connect: str
    detail: str
    odd: bool


@dataclass(frozen=True, slots=True)
class FindingPlace:
    """One place where it was found."""

    where: str
    expected: str
    seen: str
    since: str
    until: str
    often: str
    evidence: tuple[int, ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The same thing found in some places."""

    status: str
    check: str
    summary: str
    remedy: str
    since: str
    at_ns: int
    places: tuple[FindingPlace, ...]
    sure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Theme:
    """The same thing found in some cases; ``cases`` are pairs of key and name."""

    status: str
    check: str
    summary: str
    since: str
    clients: str
    entries: str
    cases: tuple[tuple[str, str], ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case that needs a look, or whose time is worth a picture."""

    key: str
    case: str
    promise: str
    verdict: str
    judged: int
    ended: str
    named: int
    history: str
    command: str
    began: str
    groups: tuple[FindingGroup, ...]
    rules: tuple[str, ...]
    attempts: tuple[AttemptRow, ...]
    hidden_attempts: int
    grid: Grid | None
    heat: Heat | None
    timeline: Timeline | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class PromiseView:
    """What was promised, over all its cases."""

    promise: str
    verdict: str
    cases: int
    judged: int
    ended: str
    facts: tuple[str, ...]
    grid: Grid | None


@dataclass(frozen=True, slots=True)
class Lack:
    """Cases without a verdict for one reason."""

    word: str
    reason: str
    remedy: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Connect times of one kind of entry; ``bars`` are heights of 100, on a logarithmic scale."""

    form: str
    count: int
    median: str
    most: str
    longest: str
    bars: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConvergenceRow:
    """How long the pairs of one client's node took until they were steady."""

    node: str
    pairs: int
    median: float
    longest: float
    width: int


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page; ``unread`` is what is not known here, and in how many histories."""

    run: str
    verdict: str
    sentence: str
    counts: tuple[tuple[str, int], ...]
    judged: int
    ended: str
    unjudged: dict[str, str]
    began: str
    version: str
    cluster: ClusterLine | None
    themes: tuple[Theme, ...]
    troubled: tuple[CaseView, ...]
    changes: tuple[CaseView, ...]
    promises: tuple[PromiseView, ...]
    heats: tuple[Heat, ...]
    lacks: tuple[Lack, ...]
    latencies: tuple[LatencyRow, ...]
    convergence: tuple[ConvergenceRow, ...]
    reproduce: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...] = ()
    culprits: tuple[tuple[Culprit, str], ...] = ()
    unread: tuple[tuple[str, int], ...] = ()
