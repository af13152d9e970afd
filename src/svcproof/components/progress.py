"""How a build shows that it moves: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO

__all__ = ["Progress", "Silent", "open_progress"]


class Progress(Protocol):
    """What a build tells while it runs."""

    def phase(self, text: str) -> None:
        """A step that cannot be counted has begun: waiting, downloading, linking."""

    def plan(self, packages: Mapping[str, int]) -> None:
        """So many packages have to be compiled, by part."""

    def compiled(self, part: str) -> None:
        """One more package of that part is being compiled."""

    def tick(self) -> None:
        """About a second has passed, whether anything happened or not."""

    def finish(self) -> None:
        """The build is over, one way or the other: others may write to the terminal now."""


class Silent:
    """Shows nothing."""

    def phase(self, text: str) -> None:
        """Nothing."""

    def plan(self, packages: Mapping[str, int]) -> None:
        """Nothing."""

    def compiled(self, part: str) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


@contextmanager
def open_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """A bar where ``stream`` (stderr by default) is a terminal and no CI, else plain lines.

    Nothing is written before there is something to say, so a run that finds its
    components in the cache shows nothing.
    """
    stream = stream or sys.stderr
    capable = os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    if stream.isatty() and capable:
        from svcproof.components.progress_bar import Bar

        with Bar(stream) as bar:
            yield bar
        return
    from svcproof.components.progress_lines import Lines

    yield Lines(stream)
