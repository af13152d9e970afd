"""What a tour is: experiments, the steps that were taken, and how each came out. Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Kind", "Step", "StepFailed", "Told", "Tour"]

#: How a step is shown: a manifest, a command with its output, a measurement, or words alone.
Kind = Literal["manifest", "command", "measured", "remark", "correction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was done, what came of it, and what had to.

    ``command`` is as it was run and ``output`` what it printed; ``look`` says what to
    look at. ``history`` is the file with every connection of a measurement. ``expected`` is
    empty where nothing is checked.
    """

    kind: Kind
    text: str
    command: str = ""
    output: str = ""
    look: str = ""
    history: str = ""
    expected: str = ""
    seen: str = ""
    passed: bool = True


class StepFailed(Exception):
    """A step that did not come out as it must: the experiment ends there."""

    def __init__(self, step: Step) -> None:
        self.step = step
        super().__init__(f"{step.text} expected: {step.expected}; seen: {step.seen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One experiment as it went. ``says`` is what the notes say; ``trouble`` is why it ended
    early, if not by a step; ``lacking`` is what this cluster cannot do, of which nobody is guilty.
    """

    number: int
    slug: str
    title: str
    says: str = ""
    steps: Sequence[Step]
    seconds: float
    trouble: str = ""
    lacking: str = ""

    @property
    def passed(self) -> bool:
        """Whether it went to its end, and every step came out as it must."""
        return not self.lacking and not self.failed

    @property
    def failed(self) -> bool:
        """Whether something did not come out as it must."""
        return bool(self.trouble) or not all(step.passed for step in self.steps)

    @property
    def outcome(self) -> str:
        """How it went, in words."""
        if self.failed:
            return "did not happen"
        return "not supported" if self.lacking else "happened"

    @property
    def checked(self) -> int:
        """How many of its steps were checked."""
        return sum(1 for step in self.steps if step.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """All that was done on one cluster, told in ``cluster``."""

    cluster: str
    experiments: Sequence[Told]

    @property
    def passed(self) -> bool:
        """Whether there was something, and all of it happened."""
        return bool(self.experiments) and all(told.passed for told in self.experiments)

    @property
    def seconds(self) -> float:
        """What the experiments took."""
        return sum(told.seconds for told in self.experiments)

    @property
    def took(self) -> str:
        """How many experiments, and what they took, in words."""
        number = len(self.experiments)
        return f"{number} experiment{'' if number == 1 else 's'} in {self.seconds:.0f} s"
