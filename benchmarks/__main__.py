"""All benchmarks in one command: ``python -m benchmarks`` (root; an idle machine).

    python -m benchmarks [--starts 5] [--json results.json] [--cold]

Measures an embedded cluster of three nodes: the time to nodes Ready, to DNS and
app ready, of the teardown; the memory by component; the prober against wrk on a
Pod; judging a million observations; a whole ``svcproof run``; and with ``--cold``
a build of all components with empty caches. Speeds of one machine say little
about another's: compare ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import judging, memory, probe_rate
from svcproof.app import App
from svcproof.clusters.embedded import open_cluster
from svcproof.clusters.embedded.cluster import EmbeddedCluster
from svcproof.clusters.options import ClusterOptions
from svcproof.limits import DEFAULT_LIMITS
from svcproof.manifest_files import packaged_manifests

_RUN = "bench"


@dataclass
class Results:
    """Figure → its values, one a run, in seconds, MiB or connections a second."""

    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(round(value, 3))

    def summary(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
                "runs": len(values),
            }
            for name, values in self.figures.items()
        }


def start_once(results: Results, *, look: bool) -> None:
    """One start, the app on it, one teardown; ``look``: memory and speed in between."""
    began = time.monotonic()
    cluster = open_cluster(ClusterOptions(), lambda _: None)
    try:
        if not isinstance(cluster, EmbeddedCluster):
            raise TypeError(cluster)
        cluster.create_namespace(_RUN)
        app = App(cluster, _RUN, _app(), run=_RUN, limits=DEFAULT_LIMITS)
        app.apply()
        app.wait_ready()
        results.add("start: app and DNS ready, s", time.monotonic() - began)
        for name, seconds in cluster.timeline.items():
            results.add(f"start: {name}, s", seconds)
        if look:
            look_at(cluster, results)
    finally:
        began = time.monotonic()
        cluster.close()
    results.add("teardown, s", time.monotonic() - began)


def _app() -> Sequence[Mapping[str, Any]]:
    return [*packaged_manifests("webserver"), *packaged_manifests("clusterip")]


def look_at(cluster: EmbeddedCluster, results: Results) -> None:
    """Memory by component, and the prober against wrk, both on a Pod's node."""
    for component, size in memory.by_component(cluster.process_tree()).items():
        results.add(f"memory (PSS): {component}, MiB", size)
    pod = next(pod for pod in cluster.snapshot(_RUN).pods if pod.ready)
    prefix = cluster.node_prefix(pod.node)
    address = f"{pod.addresses[0]}:80"
    program = Path("/run/svcproof/bin/echo-hostname")
    for pair in probe_rate.measure(program, address, prefix=prefix):
        results.add("new connections a second: wrk", pair.wrk)
        results.add("new connections a second: probe", pair.probe)
        results.add("new connections a second: probe/wrk", pair.ratio)


def whole_run(results: Results) -> None:
    """``svcproof run``, cluster included."""
    with tempfile.TemporaryDirectory() as evidence:
        command = [sys.executable, "-m", "svcproof", "run", "-q", "--svc-evidence", evidence]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        results.add("svcproof run, cluster included, s", time.monotonic() - began)


def judge_a_million(results: Results) -> None:
    """``svcproof judge`` of a history of 1,000,000 observations."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        judging.write(path, 1_000_000)
        took = judging.judge(judging.THIS, path)
    results.add("judge 1,000,000 observations, s", took.wall)
    results.add("judge 1,000,000 observations, s of processors", took.processor)
    results.add("judge 1,000,000 observations: memory, MiB", took.memory)


def cold_build(results: Results) -> None:
    """All components with an empty cache; downloads are not counted, Go's module cache stays."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "GOCACHE": f"{cache}/go-build"}
        command = [sys.executable, "-m", "svcproof", "components", "build"]
        began = time.monotonic()
        subprocess.run(command, check=True, env=environment)
        results.add("cold build of all components, s", time.monotonic() - began)


def show(results: Results, console: Any) -> None:
    from rich.table import Table

    table = Table("figure", "median", "min", "max", "runs")
    for name, row in results.summary().items():
        shown = [f"{row[key]:,.2f}" for key in ("median", "min", "max")]
        table.add_row(name, *shown, str(row["runs"]))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    from rich.console import Console

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--starts", type=int, default=5, help="starts and teardowns")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--cold", action="store_true", help="build all components anew, too")
    options = parser.parse_args(arguments)
    results = Results()
    if options.cold:
        cold_build(results)
    start_once(Results(), look=False)  # grows seeds, fills the page cache
    for number in range(options.starts):
        start_once(results, look=number == options.starts - 1)
    judge_a_million(results)
    whole_run(results)
    show(results, Console())
    if options.json:
        machine = {"cores": os.cpu_count(), "kernel": platform.release()}
        report = {"machine": machine, "figures": results.figures, "summary": results.summary()}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
