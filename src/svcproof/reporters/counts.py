"""How attempts ended, in words: one whose end is not known has not failed, nor passed."""

from __future__ import annotations

from collections.abc import Sequence

from svcproof.results import CaseResult

__all__ = ["ended"]


def ended(cases: Sequence[CaseResult]) -> str:
    """``0 failed``; ``2 failed, 60 of 66 known``; ``0 of 66 known``."""
    judged = sum(case.judged for case in cases)
    unknown = sum(case.unknown for case in cases)
    failed = f"{sum(case.failed for case in cases):,} failed"
    if not unknown:
        return failed
    known = f"{judged - unknown:,} of {judged:,} known"
    return known if unknown == judged else f"{failed}, {known}"
