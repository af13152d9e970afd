"""Deviations that the owner of a cluster knows and cannot mend today.

A fault of this version of the proxy, a choice of this data plane: one row says what is seen,
where, and on what. Where exactly that is seen the findings are *known*; what is more than a
row says, less, or elsewhere, fails as ever. A row that no longer shows itself is told.

The rows that apply to a case are in its history (:class:`~svcproof.events.KnownDeviation`),
so that a saved one is judged by them again. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from svcproof.errors import UsageError
from svcproof.events import KnownDeviation, Sign
from svcproof.history import History
from svcproof.verdict import Checker, Fact, Finding, Status, Verdict, worst

__all__ = [
    "Deviation",
    "applying",
    "beside_shipped",
    "decode",
    "excusing",
    "is_about",
    "shipped",
    "sign_of",
]

#: Facts: what is known and seen, and a row that does not show itself any more.
_SEEN: Final = "known deviation"
_NO_LONGER_SEEN: Final = "known deviation no longer seen"
#: What cannot be told of a pair because it does not answer as it should: it belongs to what does
#: not.
_FOLLOWS: Final = ("convergence: ", "responders: never answered")
_OF: Final = re.compile(r"(\d[\d,]*) of (\d[\d,]*)")
#: One that stands for itself: not of a name or an address.
_NUMBER: Final = re.compile(r"(?<![\w.:-])\d[\d,]*(\.\d+)?(?![\w.:-])")
#: What is random in the name of a Deployment's Pod, and which Pod it is that answers.
_POD: Final = re.compile(r"-[a-z0-9]{7,10}-[a-z0-9]{5}\b")
_BY: Final = re.compile(r"(: answered by [^:]*: ).*")


class Deviation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: ``case`` is the end of a node id, whose parameters may be left out.

    ``data_planes`` are names as :mod:`svcproof.profiles` has them, none for any; ``versions``
    of Kubernetes as in requirements (``>=1.32,<1.37``), "" for any. ``findings`` are the
    signs that must all be seen; a ``*`` in them stands for anything, and each pair of the
    case that fits a ``where`` must show it.
    """

    slug: str
    seen: str
    reference: str = ""
    case: str
    data_planes: tuple[str, ...] = ()
    versions: str = ""
    findings: tuple[Sign, ...]


def decode(content: str, *, source: str) -> tuple[Deviation, ...]:
    """Rows from YAML.

    Raises :class:`~svcproof.errors.UsageError` for anything that is no list of rows, naming
    ``source`` and what is wrong with it.
    """
    try:
        rows = msgspec.yaml.decode(content.encode(), type=tuple[Deviation, ...] | None) or ()
        for row in rows:
            SpecifierSet(row.versions)
    except (msgspec.DecodeError, InvalidSpecifier, ValueError, LookupError) as error:
        raise UsageError(
            f"{source}: not a list of known deviations: {error}",
            remedy="`svcproof accept RUN` writes one; docs/known-deviations.md says what is in it",
        ) from error
    slugs = [row.slug for row in rows]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise UsageError(f"{source}: more than one known deviation is called {', '.join(twice)}")
    return rows


@cache
def shipped() -> tuple[Deviation, ...]:
    """The rows that svcproof brings along."""
    file = files("svcproof") / "known-deviations.yaml"
    return decode(file.read_text(), source=str(file))


def beside_shipped(own: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """A user's rows, and those that svcproof brings along for cases of which they say nothing."""
    cases = [row.case for row in own]
    return (
        *own,
        *(row for row in shipped() if not any(_is_of(row.case, case) for case in cases)),
    )


def applying(
    rows: Iterable[Deviation], *, case: str, data_plane: str, version: str
) -> Iterator[KnownDeviation]:
    """The rows for this case on this cluster, as events of its history."""
    for row in rows:
        if not _is_of(row.case, case) or not _may_be(data_plane, row.data_planes):
            continue
        if _is_within(version, row.versions):
            yield KnownDeviation(
                slug=row.slug, seen=row.seen, reference=row.reference, findings=row.findings
            )


def _may_be(data_plane: str, planes: Collection[str]) -> bool:
    """Whether it may be one of those: what nobody knows may be any, and kube-proxies of several
    modes (``iptables on n1, n2; nftables on n3``) are each of them."""
    modes = {part.partition(" on ")[0] for part in data_plane.split("; ")}
    return not planes or modes - {"unknown"} <= set(planes)


def excusing(check: Checker) -> Checker:
    """The same check, to whose failures the history's known deviations are applied."""

    def judge(history: History) -> Verdict:
        verdict = check(history)
        known = [event for event in history.events if isinstance(event, KnownDeviation)]
        for event in known:
            verdict = _applied(event, verdict, _measured(history))
        return verdict

    return judge


def _measured(history: History) -> set[str]:
    """The pairs that were measured to the end: any other can lack what is known, and tells
    nothing."""
    short = {c.where for c in history.cells if len(c.attempts) < c.expectation.minimum}
    return {cell.where for cell in history.cells} - short


def is_about(known: KnownDeviation, where: str) -> bool:
    """Whether a pair of client and address is one that shows it."""
    return any(_fits(where, sign.where) for sign in known.findings)


def sign_of(summary: str, where: str) -> Sign:
    """What of a finding is the same each time: of a share whether it is all or some, and no
    other number; of a Pod its Deployment."""
    words = _BY.sub(r"\1*", _without_numbers(summary))
    return Sign(summary=_POD.sub("-*", words), where=_POD.sub("-*", where))


def _without_numbers(summary: str) -> str:
    shares = _OF.sub(lambda m: "all" if m[1] == m[2] else "some", summary)
    return _NUMBER.sub("#", shares)


def _applied(known: KnownDeviation, verdict: Verdict, pairs: set[str]) -> Verdict:
    failures = [found for found in verdict.findings if found.status is Status.FAIL]
    explained = [f for f in failures if any(_shows(f, sign) for sign in known.findings)]
    if not explained:
        if any(found.status is Status.INCONCLUSIVE for found in verdict.findings):
            return verdict  # whether it would be seen could not be told
        told = Fact(_NO_LONGER_SEEN, f"{known.slug}: remove it ({known.seen})")
        return replace(verdict, facts=(*verdict.facts, told))
    lacking = [
        (where, sign)
        for sign in known.findings
        for where in sorted(_pairs_of(sign, pairs))
        if not any(_shows(found, sign) and found.where == where for found in explained)
    ]
    if lacking:
        return replace(verdict, findings=(*verdict.findings, _only_in_part(known, lacking)))
    places = {found.where for found in explained}
    findings = tuple(
        _known(found, known)
        if found in explained
        or (
            found.where in places
            and found.status is Status.INCONCLUSIVE
            and found.summary.startswith(_FOLLOWS)
        )
        else found
        for found in verdict.findings
    )
    status = worst([Status.PASS, *(found.status for found in findings)])
    told = Fact(_SEEN, f"{known.slug}: {known.seen}{_reference(known)}")
    return replace(verdict, findings=findings, facts=(*verdict.facts, told), status=status)


def _pairs_of(sign: Sign, pairs: set[str]) -> set[str]:
    """The pairs that have to show a sign; one that is about none is a place of its own."""
    return {where for where in pairs if _fits(where, sign.where)} or {sign.where}


def _shows(found: Finding, sign: Sign) -> bool:
    summary = _without_numbers(found.summary)
    return _fits(summary, sign.summary) and _fits(found.where, sign.where)


def _fits(text: str, pattern: str) -> bool:
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def _known(found: Finding, known: KnownDeviation) -> Finding:
    return replace(
        found,
        status=Status.KNOWN,
        remedy=f"known as {known.slug}: {known.seen}{_reference(known)}; "
        "--svc-strict makes it a failure",
    )


def _reference(known: KnownDeviation) -> str:
    return f" ({known.reference})" if known.reference else ""


def _only_in_part(known: KnownDeviation, lacking: Sequence[tuple[str, Sign]]) -> Finding:
    where, sign = lacking[0]
    return Finding(
        status=Status.FAIL,
        summary=f"known deviations: only a part of what {known.slug} says is seen",
        where=where,
        expected=f"{sign.summary}, at every place that it names",
        seen=f"not so at {len({place for place, _ in lacking})} of them",
        remedy="it is another deviation than the known one: see the findings beside this",
    )


def _is_of(wanted: str, case: str) -> bool:
    """Whether a row's case is this one: from any directory, with any parameters if it has none."""
    return any(
        name == wanted or name.endswith(f"/{wanted}") for name in (case, case.partition("[")[0])
    )


def _is_within(version: str, wanted: str) -> bool:
    """Whether a Kubernetes version is one of those; of what distributions add (``v1.36.4-gke.7``)
    nothing counts."""
    numbers = re.match(r"v?(\d+(\.\d+)*)", version)
    if not wanted:
        return True
    try:
        return numbers is not None and SpecifierSet(wanted).contains(Version(numbers[1]))
    except InvalidVersion:
        return False
