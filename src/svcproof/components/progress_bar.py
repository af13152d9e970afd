"""Progress as bars on a terminal: one for the whole, one for each part."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

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


class Bar:
    """Bars that appear with the first thing to show and stay when it is over."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._progress = RichProgress(
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("packages"),
            TimeElapsedColumn(),
            # The time between two packages varies a lot: 30 s of them, not of ten.
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=60,
        )
        self._tasks: dict[str, TaskID] = {}
        self._whole: TaskID | None = None
        self._shown = False
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._progress.stop()

    def phase(self, text: str) -> None:
        """A line above the bars, for each new phase."""
        if text != self._phase:
            self._phase = text
            self._show()
            self._progress.console.print(text, highlight=False, style="dim")

    def plan(self, packages: Mapping[str, int]) -> None:
        """A bar for the whole and for each part that has something to compile."""
        self._show()
        for part, count in packages.items():
            if count:
                self._tasks[part] = self._progress.add_task(part, total=count)
        self._whole = self._progress.add_task("in all", total=sum(packages.values()))

    def compiled(self, part: str) -> None:
        """One step further, in the part and in the whole."""
        if part in self._tasks:
            self._progress.advance(self._tasks[part])
        if self._whole is not None:
            self._progress.advance(self._whole)

    def tick(self) -> None:
        """Nothing: the bars draw themselves."""

    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._progress.start()
