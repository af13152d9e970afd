"""How fast is ``echo-hostname probe`` compared with wrk? Both in turn, against one server.

    python -m benchmarks.probe_rate --program ./echo-hostname            # own server, loopback
    python -m benchmarks.probe_rate --program ./echo-hostname --address 10.244.1.3:80

Speeds of one machine say little about another, and on a busy one they wander
from minute to minute. So runs alternate, and what counts is the ratio of the
two runs of a pair: its median, and its spread.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """New connections a second, one run of each."""

    wrk: float
    probe: float

    @property
    def ratio(self) -> float:
        return self.probe / self.wrk


@contextlib.contextmanager
def server(program: Path) -> Iterator[str]:
    """The app on a free port of loopback; gives its address."""
    command = [str(program), "serve", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield json.loads(line)["address"]
        finally:
            process.kill()


def wrk_rate(
    address: str, *, concurrency: int, seconds: float, prefix: Sequence[str] = ()
) -> float:
    """wrk's requests a second, each over a connection of its own."""
    command = [*prefix, "wrk", "-t2", f"-c{concurrency}", f"-d{max(1, round(seconds))}s"]
    command += ["-H", "Connection: close", f"http://{address}/json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk had trouble:\n{done.stdout}{done.stderr}")
    return float(found[1])


def probe_rate(
    program: Path, address: str, *, concurrency: int, count: int, prefix: Sequence[str] = ()
) -> float:
    """The prober's attempts a second, from its start to its end; all must be answered."""
    host, _, port = address.rpartition(":")
    family = "ipv6" if host.startswith("[") else "ipv4"
    command = f"probe --host {host.strip('[]')} --port {port} --family {family}".split()
    command += f"--count {count} --concurrency {concurrency}".split()
    began = time.perf_counter()
    done = subprocess.run([*prefix, program, *command], capture_output=True, check=True)
    took = time.perf_counter() - began
    if (answered := done.stdout.count(b'"outcome":"answered"')) != count:
        raise RuntimeError(f"only {answered} of {count} attempts were answered")
    return count / took


def measure(
    program: Path,
    address: str,
    *,
    pairs: int = 7,
    seconds: float = 2.0,
    concurrency: int = 16,
    prefix: Sequence[str] = (),
) -> list[Pair]:
    """Alternate runs of about ``seconds`` each, after one pair that is thrown away.

    ``prefix`` is what both commands begin with, to run them elsewhere (``nsenter …``).
    """
    place: dict[str, Any] = {"concurrency": concurrency, "prefix": prefix}
    measured: list[Pair] = []
    rate = probe_rate(program, address, count=5_000, **place)
    for number in range(pairs + 1):
        wrk = wrk_rate(address, seconds=seconds, **place)
        count = round(rate * seconds)
        rate = probe_rate(program, address, count=count, **place)
        measured += [Pair(wrk, rate)] if number else []
    return measured


def summary(pairs: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Median, smallest and largest of each figure."""
    columns = {name: [getattr(p, name) for p in pairs] for name in ("wrk", "probe", "ratio")}
    return {
        name: {"median": statistics.median(v), "min": min(v), "max": max(v)}
        for name, v in columns.items()
    }


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the echo-hostname program")
    parser.add_argument("--address", help="of a server that runs already; default: start one")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one run")
    options = parser.parse_args()
    own = contextlib.nullcontext(options.address) if options.address else server(options.program)
    with own as address:
        pairs = measure(options.program, address, pairs=options.pairs, seconds=options.seconds)
    table = Table("new connections a second", "median", "min", "max", title="probe against wrk")
    for name, figures in summary(pairs).items():
        places = 2 if name == "ratio" else 0
        table.add_row(name, *(f"{value:,.{places}f}" for value in figures.values()))
    Console(stderr=True).print(table)
    print(json.dumps({"pairs": [asdict(p) for p in pairs], "summary": summary(pairs)}))


if __name__ == "__main__":
    main()
