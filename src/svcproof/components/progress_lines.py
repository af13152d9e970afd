"""Progress as plain lines, for logs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TextIO

__all__ = ["Lines", "clock"]

#: A line at each step of so many percent …
_STEP: Final = 5
#: … but not more often than this, and not more seldom than that (seconds).
_AT_MOST_EVERY: Final = 3.0
_AT_LEAST_EVERY: Final = 30.0


class Lines:
    """One line at each 5 %, and one at least every 30 s."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._began = now()
        self._last = self._began
        self._last_step = 0
        self._total: dict[str, int] = {}
        self._done: Counter[str] = Counter()
        self._phase = ""

    def phase(self, text: str) -> None:
        """A line for each new phase."""
        if text != self._phase:
            self._phase = text
            self._say(text)

    def plan(self, packages: Mapping[str, int]) -> None:
        """Says what is to be compiled."""
        self._total = dict(packages)
        self._began = self._now()
        parts = ", ".join(f"{part} {count}" for part, count in packages.items() if count)
        self._say(f"{sum(packages.values())} packages to compile ({parts or 'none'})")

    def compiled(self, part: str) -> None:
        """A line when another step of the whole is done."""
        self._done[part] += 1
        step = self._percent() // _STEP
        if step > self._last_step and self._now() - self._last >= _AT_MOST_EVERY:
            self._last_step = step
            self._say(self._state(part))

    def tick(self) -> None:
        """A line when there was none for long."""
        if self._now() - self._last >= _AT_LEAST_EVERY:
            self._say(self._state("") if self._total else f"{self._phase}, still")

    def finish(self) -> None:
        """Nothing: a line is never taken back."""

    def _percent(self) -> int:
        return 100 * self._done.total() // max(1, sum(self._total.values()))

    def _state(self, part: str) -> str:
        done, total = self._done.total(), sum(self._total.values())
        elapsed = self._now() - self._began
        left = elapsed * (total - done) / max(1, done)
        now = f", now {part} ({self._done[part]} of {self._total.get(part, 0)})" if part else ""
        return (
            f"{self._percent()} %: {done} of {total} packages compiled{now}, "
            f"{clock(elapsed)} passed, about {clock(left)} left"
        )

    def _say(self, text: str) -> None:
        self._last = self._now()
        print(f"svcproof components: {text}", file=self._stream, flush=True)


def clock(seconds: float) -> str:
    """As in ``5:07``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
