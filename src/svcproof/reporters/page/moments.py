"""Times, shares and lengths in words."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["clock", "day", "duration", "percent"]


def clock(at_ns: int) -> str:
    """The time of day (UTC), to the millisecond."""
    return _moment(at_ns).strftime("%H:%M:%S.%f")[:-3]


def day(at_ns: int) -> str:
    """The day and the time of day (UTC)."""
    return _moment(at_ns).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(microseconds: float) -> str:
    """A short time, in the unit that suits it."""
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.2f} s"
    return f"{microseconds / 1e3:.2f} ms"


def percent(share: float) -> str:
    """A share in percent; what is small is not called nothing."""
    return "< 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns / 1e9, tz=UTC)
