"""Progress as bars on a terminal: one for the whole, one for each part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

__all__ = ["Bar"]

_WHOLE: Final = "in all"


class Bar:
    """Bars that appear with the first thing to show and stay when it is over."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._progress: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def phase(self, text: str) -> None:
        """A line above the bars, for each new phase."""
        if text != self._phase:
            self._phase = text
            self._shown().console.print(text, highlight=False, style="dim")

    def plan(self, packages: Mapping[str, int]) -> None:
        """A bar for each part that has something to compile, and one for the whole."""
        parts = {part: count for part, count in packages.items() if count}
        for part, count in {**parts, _WHOLE: sum(parts.values())}.items():
            self._tasks[part] = self._shown().add_task(part, total=count)

    def compiled(self, part: str) -> None:
        """One step further, in the part and in the whole."""
        for name in (part, _WHOLE):
            if name in self._tasks:
                self._shown().advance(self._tasks[name])

    def tick(self) -> None:
        """Nothing: the bars draw themselves."""

    def finish(self) -> None:
        """The bars stay as they are."""
        if self._progress:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()

    def _shown(self) -> RichProgress:
        if self._progress is None:
            self._progress = RichProgress(
                TextColumn("{task.description:<14}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("packages"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
                # Packages differ in size by a factor of hundreds: a long average.
                speed_estimate_period=60,
            )
            self._progress.start()
        return self._progress
