"""What a supervisor tells the process that started the cluster: JSON lines over a pipe."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import msgspec

from svcproof.errors import StartFailed

__all__ = ["DNS_READY", "NODES_READY", "Failure", "Report", "Reporter", "decode_report"]

#: Milestones that somebody waits for.
NODES_READY: Final = "nodes ready"
DNS_READY: Final = "dns ready"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A :class:`~svcproof.errors.StartFailed` on its way between two processes."""

    component: str
    reason: str
    exit_code: int | None = None
    log_lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: StartFailed) -> Failure:
        """The failure that an error tells of."""
        return cls(error.component, error.reason, error.exit_code, error.log_lines)

    def error(self) -> StartFailed:
        """The error again."""
        return StartFailed(
            self.component, self.reason, exit_code=self.exit_code, log_lines=self.log_lines
        )


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: a milestone, a failure, or (last) that the cluster is ready.

    Seconds are since the supervisor began; ``ready`` has them for every milestone.
    """

    milestone: str = ""
    seconds: float = 0.0
    failed: Failure | None = None
    ready: dict[str, float] | None = None


class Reporter:
    """Sends reports to whoever started the cluster, who may have gone by now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, report: Report) -> None:
        """Write one line; nobody listening is no error."""
        with suppress(BrokenPipeError):
            os.write(self._descriptor, msgspec.json.encode(report) + b"\n")


def decode_report(line: bytes) -> Report:
    """A line as it was sent."""
    return msgspec.json.decode(line, type=Report)
