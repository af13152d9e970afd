"""How long judging takes: a history of so many observations, read from its file and judged.

Of ten places six are asked about shares, two about affinity and two about outages; all
of them about who answered, from where, and how fast.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svcproof.checkers import judge
from svcproof.history import (
    VERSION,
    Backend,
    Expectation,
    Header,
    Observation,
    Outcome,
    Position,
    PositionDeclared,
    Record,
    Target,
    TargetDeclared,
    encode,
)
from svcproof.history_reader import decode_lines
from svcproof.verdict import Status

__all__ = ["Seconds", "measure"]

_PLACES = 10
_BACKENDS = tuple(
    Backend(pod=f"web-{i}", uid=f"uid-{i}", node=f"node-{i}", namespace="ns", run="r")
    for i in range(3)
)
_QUESTIONS: dict[int, dict[str, Any]] = {
    6: {"outage_ms": 100},
    7: {"outage_ms": 100},
    8: {"affinity": "pin", "cover": False},
    9: {"affinity": "pin", "cover": False},
}


@dataclass(frozen=True)
class Seconds:
    """What the parts took of a processor: it is one thread that computes."""

    reading: float
    judging: float


def measure(observations: int) -> Seconds:
    """Write a history, then time reading and judging it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        with path.open("wb") as file:
            file.writelines(encode(record) for record in _records(observations))
        began = time.process_time()
        with path.open("rb") as lines:
            history = decode_lines(lines)
        read = time.process_time()
        verdict = judge(history)
        done = time.process_time()
    if verdict.status is not Status.PASS:
        raise AssertionError(verdict.findings[:3])
    return Seconds(reading=read - began, judging=done - read)


def _records(observations: int) -> Iterator[Record]:
    draw = random.Random(1)  # noqa: S311
    yield Header(version=VERSION, run="r", case="benchmark")
    index = 0
    for place in range(_PLACES):
        position = Position(
            name=f"place {place}", kind="pod", node="node-0", addresses=(f"10.0.0.{place}",)
        )
        target = Target(name="svc", service="svc", form="cluster-ip", host="10.96.0.1", port=80)
        yield PositionDeclared(position)
        yield TargetDeclared(target)
        yield Expectation(
            index=index,
            at_ns=index,
            position=position.name,
            target=target.name,
            allowed=_BACKENDS,
            **_QUESTIONS.get(place, {"choice": "random"}),
            sources=position.addresses,
            minimum=66,
        )
        index += 1
        pinned = draw.choice(_BACKENDS)
        for _ in range(observations // _PLACES):
            yield Observation(
                index=index,
                at_ns=index,
                position=position.name,
                target=target.name,
                outcome=Outcome.ANSWERED,
                connect_us=120,
                reply_us=200,
                backend=pinned if place in (8, 9) else draw.choice(_BACKENDS),
                source_address=position.addresses[0],
                source_port=40000,
                local_address=f"{position.addresses[0]}:40000",
                remote_address="10.96.0.1:80",
            )
            index += 1
