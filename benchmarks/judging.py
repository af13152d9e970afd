"""How long ``svcproof judge`` takes, as a user has it: the whole command, on a file.

    python -m benchmarks.judging [--observations 1000000] [--rounds 5] [--against OTHER/svcproof]

The history is one of six clients and three targets under steady traffic, interleaved as a
run writes them: one target is asked about shares, one about outages, one about affinity. One
file is of a run in which all is well, one of a run in which a connection in a thousand is lost,
each in today's format and in format 1. ``--against`` judges the files of format 1 with another
version of svcproof, too, in turns with this one.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec

from svcproof.events import Judged
from svcproof.history import (
    VERSION,
    Backend,
    Expectation,
    Header,
    Observation,
    Outcome,
    Position,
    PositionDeclared,
    Promise,
    Record,
    Target,
    TargetDeclared,
    encode,
)

__all__ = ["THIS", "Took", "judge", "write"]

#: This version's command.
THIS = (sys.executable, "-m", "svcproof")
_LOST = 0.001

_CLIENTS = [
    Position(
        name=f"{'a Pod on' if number < 3 else 'the host network of'} node-{number % 3 + 1}",
        kind="pod" if number < 3 else "host-network",
        node=f"node-{number % 3 + 1}",
        pod=f"client-{number}",
        namespace="ns",
        addresses=(f"10.0.{number}.2",),
    )
    for number in range(6)
]
_TARGETS = [
    Target(name=f"web by {way}", service="web", form=form, host=host, port=80, port_name="http")
    for way, form, host in (
        ("ClusterIP", "cluster-ip", "10.96.0.1"),
        ("node port", "node-port", "192.0.2.1"),
        ("FQDN", "fqdn", "web.ns.svc.cluster.local"),
    )
]
_QUESTIONS: list[dict[str, Any]] = [
    {"choice": "random"},
    {"outage_ms": 500, "rate": 1000.0},
    {"affinity": "pin"},
]
_CHECKS = (
    *("reachability", "responders", "distribution", "affinity"),
    *("sources", "outages", "steadiness", "latency"),
)
_BACKENDS = tuple(
    Backend(
        pod=f"web-6b7f9c5d4-x{number}abc",
        uid=f"0b0b1c2d-0000-4000-8000-00000000000{number}",
        node=f"node-{number}",
        namespace="ns",
        run="r",
    )
    for number in (1, 2, 3)
)


@dataclass(frozen=True)
class Took:
    """What one command took: seconds of the clock and of processors, and MiB at most."""

    wall: float
    processor: float
    memory: float


def judge(command: Sequence[str], path: Path) -> Took:
    """Judge a file once, in a process of its own.

    Raises :class:`RuntimeError` where that does not give the verdict that the file notes.
    """
    output = path.with_suffix(".txt")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o644)]
    arguments = [*command, "judge", str(path)]
    began = time.monotonic()
    pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=actions)
    _, _, used = os.wait4(pid, 0)
    wall = time.monotonic() - began
    if not output.read_text().endswith("  as in the run\n"):
        raise RuntimeError(f"{' '.join(arguments)} does not say what the run said: see {output}")
    return Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def write(path: Path, observations: int, *, failing: bool = False, version: int = VERSION) -> None:
    """Write such a history."""
    spell = encode if version == VERSION else _as_format_1
    with path.open("wb") as file:
        file.writelines(map(spell, _records(observations, failing=failing)))


def _records(observations: int, *, failing: bool) -> Iterator[Record]:
    draw = random.Random(1)  # noqa: S311
    yield Header(version=VERSION, run="r", case="benchmark")
    yield from map(PositionDeclared, _CLIENTS)
    yield from map(TargetDeclared, _TARGETS)
    pairs = [(client, number) for client in _CLIENTS for number in range(len(_TARGETS))]
    now = 1_700_000_000_000_000_000
    for index, (client, number) in enumerate(pairs):
        yield Expectation(
            index=index,
            at_ns=now,
            position=client.name,
            target=_TARGETS[number].name,
            promise=Promise(
                outcome=Outcome.ANSWERED,
                rule="every ready endpoint",
                allowed=_BACKENDS,
                cover=number != 2,
                sources=client.addresses,
            ),
            minimum=66,
            **_QUESTIONS[number],
        )
    pinned = {client.name: draw.choice(_BACKENDS) for client in _CLIENTS}
    for index, (client, number) in enumerate(islice(cycle(pairs), observations), len(pairs)):
        now += draw.randrange(1_000, 40_000)
        backend = pinned[client.name] if number == 2 else draw.choice(_BACKENDS)
        if failing and draw.random() < _LOST:
            yield _lost(index, now, client, _TARGETS[number], draw)
        else:
            yield _answered(index, now, client, _TARGETS[number], backend, draw)
    said = "FAIL" if failing else "PASS"
    yield Judged(index=len(pairs) + observations, at_ns=now, verdict=said, checks=_CHECKS)


def _answered(
    index: int, now: int, client: Position, target: Target, backend: Backend, draw: random.Random
) -> Observation:
    port = draw.randrange(32_768, 60_999)
    return Observation(
        index=index,
        at_ns=now,
        position=client.name,
        target=target.name,
        outcome=Outcome.ANSWERED,
        connect_us=draw.randrange(80, 400),
        reply_us=draw.randrange(150, 900),
        backend=backend,
        source_address=client.addresses[0],
        source_port=port,
        local_address=f"{client.addresses[0]}:{port}",
        remote_address=f"{target.host}:80",
    )


def _lost(
    index: int, now: int, client: Position, target: Target, draw: random.Random
) -> Observation:
    outcomes = (Outcome.REFUSED, Outcome.RESET, Outcome.TIMED_OUT, Outcome.UNKNOWN)
    return Observation(
        index=index,
        at_ns=now,
        position=client.name,
        target=target.name,
        outcome=draw.choice(outcomes),
        remote_address=f"{target.host}:80",
        detail="lost",
    )


def _as_format_1(record: Record) -> bytes:
    fields = msgspec.to_builtins(record)
    if isinstance(record, Header):
        fields["version"] = 1
    elif isinstance(record, Expectation):
        fields |= fields.pop("promise")
    elif isinstance(record, Judged):
        facts = {"verdict": record.verdict, "checks": record.checks}
        when = {"index": record.index, "at_ns": record.at_ns}
        fields = {"type": "event", **when, "kind": "judged", "facts": facts}
    return msgspec.json.encode(fields) + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--observations", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another version's svcproof command")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for failing in (False, True):
            for version in (VERSION, 1):
                path = Path(directory) / "history.jsonl"
                write(path, options.observations, failing=failing, version=version)
                name = f"format {version}, {'failures' if failing else 'all well'}"
                other = options.against if version == 1 else None
                _compare(name, path, options.rounds, other)


def _compare(name: str, path: Path, rounds: int, other: Path | None) -> None:
    """Judge with each version in turns, so that whatever else is going on hits both."""
    commands = {"this": THIS} | ({"other": (str(other),)} if other else {})
    took: dict[str, list[Took]] = {which: [] for which in commands}
    for _ in range(rounds):
        for which, command in commands.items():
            took[which].append(judge(command, path))
    for which, runs in took.items():
        print(
            f"{name}, {which}: {_spread([run.wall for run in runs])} s, "
            f"of processors {_spread([run.processor for run in runs])} s, "
            f"{max(run.memory for run in runs):.0f} MiB"
        )
    if other:
        ratios = [b.processor / a.processor for a, b in zip(*took.values(), strict=True)]
        print(f"{name}: the other takes {_spread(ratios)} times the processor time")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
