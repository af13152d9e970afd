"""A Pod to ask from, as the notes' ``kubectl run … debug … bash``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from svcproof.notes.stage import Stage

__all__ = ["asked", "debug_pod"]


@contextmanager
def debug_pod(stage: Stage) -> Iterator[None]:
    """The Pod ``debug``, as long as the block runs."""
    stage.kubectl(
        "run debug --image=svcproof.dev/echo-hostname:1 --restart=Never -- pause",
        "A Pod to ask from. The notes start a shell in it; here single commands are run in it.",
        shows="created",
        expected="it is created",
    )
    stage.kubectl(
        "get pod debug", "It is to run.", shows=r"^debug +1/1 +Running", expected="it runs"
    )
    try:
        yield
    finally:
        stage.value("delete pod debug --wait=false --grace-period=1")


def asked(
    stage: Stage, probe: str, text: str, *, pick: str, shows: str, times: int = 0, expected: str
) -> None:
    """Run the probe in the Pod ``debug``."""
    stage.kubectl(
        f"exec debug -- /echo-hostname probe {probe}",
        text,
        pick=pick,
        shows=shows,
        times=times,
        expected=expected,
    )
