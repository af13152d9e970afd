"""The default run with a fault planted, in a process of its own, on a kept cluster."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.waits import wait_for
from tests.faults.barrier_server import Barrier
from tests.faults.measured import (
    HEALTHY,
    Run,
    is_red,
    judgement,
    plain,
    statements,
    verdicts,
)
from tests.faults.planter import Planter, namespaces
from tests.faults.plantings import Planting

__all__ = ["Stage", "latest_results", "pin_dns", "pin_single_pod", "run_with"]

_PLUGIN: Final = Path(__file__).parent / "barrier"
#: After SIGTERM a run still deletes its namespaces and writes its reports.
_END_SECONDS: Final = 60.0
_GONE_SECONDS: Final = 150.0
_MOVED_SECONDS: Final = 60.0
_POLICY: Final = "svcproof-faults-home"


@dataclass(frozen=True)
class Stage:
    """Where runs are made: ``svcproof`` is the command of the build that runs.

    ``limit`` are the seconds after which a run is ended; ``arguments`` go to it.
    """

    svcproof: Path
    cluster: KubernetesCluster
    home: str
    node: str
    output: Path
    limit: float
    arguments: Sequence[str] = ()


def pin_single_pod(cluster: KubernetesCluster, home: str) -> None:
    """The scheduler may put the single Pod anywhere; here it is always the same node.

    By an admission policy, so that neither the run nor its objects know of it.
    """
    selector = '{"kubernetes.io/hostname": "' + home + '"}'
    patch = f'[JSONPatch{{op: "add", path: "/spec/nodeSelector", value: {selector}}}]'
    group = "admissionregistration.k8s.io/v1"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    policy = {
        "apiVersion": group,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": _POLICY},
        "spec": {
            "matchConstraints": {
                "objectSelector": {"matchLabels": {"app": "lonely"}},
                "resourceRules": [{**pods, "resources": ["pods"]}],
            },
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": _POLICY},
        "spec": {"policyName": _POLICY},
    }
    cluster.apply([policy, binding], namespace="")


def pin_dns(cluster: KubernetesCluster, node: str) -> None:
    """The same for the cluster DNS, which is moved if it is somewhere else."""
    selector = {"nodeSelector": {"kubernetes.io/hostname": node}}
    changes = {"spec": {"template": {"spec": selector}}}
    cluster.patch("Deployment", "coredns", changes, namespace="kube-system")

    def missing() -> str:
        pods = [pod for pod in cluster.snapshot("kube-system").pods if pod.name.startswith("core")]
        return ", ".join(pod.name for pod in pods if pod.node != node or not pod.ready)

    wait_for(f"the cluster DNS on {node}", missing, limit=_MOVED_SECONDS)


def run_with(stage: Stage, planting: Planting | None) -> Run:
    """One run: planted, measured, healed, cleared away."""
    slug = planting.slug if planting else HEALTHY
    directory = stage.output / slug
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _clear(stage.cluster)
    with contextlib.ExitStack() as stack:
        planter = None
        if planting:
            planter = Planter(planting, stage.cluster, home=stage.home, node=stage.node)
            stack.callback(planter.close)
            if planting.when == "before":
                planter.plant()
        child = _Child(stage, directory, _actions(planting, planter))
        child.run()
    results = _results(directory)
    words = verdicts(results)
    stated = statements(results)
    raw = planting.culprit if planting else ()
    culprit = tuple(name.format(node=stage.node, home=stage.home) for name in raw)
    right, wrong = judgement(stated, culprit)
    return Run(
        slug=slug,
        seconds=round(child.seconds, 1),
        first_red=child.first_red,
        paused=round(child.paused, 1),
        exit_code=child.exit_code,
        ended=child.ended,
        verdicts={case: word for case, word in sorted(words.items()) if word != "PASS"},
        passed=sorted(case for case, word in words.items() if word == "PASS"),
        statements=[each.text for each in stated],
        culprit=culprit,
        right=right,
        wrong=wrong,
        replanted=planter.replanted if planter else 0,
        problem=(planter.problem if planter else "") or child.problem,
    )


def _actions(
    planting: Planting | None, planter: Planter | None
) -> Mapping[str, Callable[[], None]]:
    if planter is None or planting is None or planting.when == "before":
        return {}
    return {"measuring": planter.plant, "applying": planter.suspend, "applied": planter.resume}


class _Child:
    """One process of ``svcproof run``, its output with times, and what was held of it."""

    def __init__(
        self, stage: Stage, directory: Path, actions: Mapping[str, Callable[[], None]]
    ) -> None:
        self._stage, self._directory, self._actions = stage, directory, actions
        self.seconds = self.paused = 0.0
        self.first_red: float | None = None
        self.exit_code = 0
        self.ended = True
        self.problem = ""

    def run(self) -> None:
        """Run it to its end, or to the limit."""
        with tempfile.TemporaryDirectory(prefix="svcproof-faults-") as short:
            with Barrier(Path(short) / "barrier", self._actions) as barrier:
                started = time.monotonic()
                red = self._wait(self._start(barrier.path))
                ended = time.monotonic()
            self.paused = barrier.paused()
            self.seconds = ended - started - self.paused
            self.problem = barrier.problem
            joined = barrier.reached("joined")
            if red is not None and joined is not None:
                held = barrier.paused(until=red) - barrier.paused(until=joined)
                self.first_red = round(red - joined - held, 1)

    def _start(self, barrier: Path) -> subprocess.Popen[bytes]:
        stage = self._stage
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_PLUGIN), os.environ.get("PYTHONPATH", "")]),
            "SVCPROOF_BARRIER": str(barrier),
            "COLUMNS": "200",
            "SVCPROOF_BARRIER_AWAITS": "1" if "measuring" in self._actions else "",
        }
        command = [stage.svcproof, "run", "--svc-name", stage.cluster.facts.name]
        # What it leaves is deleted here, after the fault is healed.
        command += ["--svc-keep", "--svc-progress", "on", "-p", "svcproof_barrier"]
        return subprocess.Popen(
            [*command, *stage.arguments],
            cwd=self._directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> float | None:
        """When its first red line came."""
        timer = threading.Timer(self._stage.limit, self._end, [process])
        timer.start()
        red = None
        try:
            with (self._directory / "output.txt").open("w") as log:
                started = time.monotonic()
                for now, line in _lines(process):
                    log.write(f"{now - started:7.2f}  {line}\n")
                    if red is None and is_red(line):
                        red = now
            self.exit_code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
        finally:
            timer.cancel()
        return red

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self.ended = False
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            return
        process.kill()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[float, str]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield time.monotonic(), plain(line.decode(errors="replace"))


def latest_results(directory: Path) -> Path | None:
    """The results of the latest run in a directory; None where it was ended too early."""
    found = sorted(directory.glob(".svcproof/evidence/*/results.json"), key=_age)
    return found[-1] if found else None


def _results(directory: Path) -> Mapping[str, Any]:
    found = latest_results(directory)
    nothing: Mapping[str, Any] = {"cases": [], "problems": []}
    return nothing if found is None else json.loads(found.read_bytes())


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _clear(cluster: KubernetesCluster) -> None:
    """Nothing of an earlier run is there any more: its Pods would take time."""
    for name in namespaces(cluster):
        cluster.delete_namespace(name)
        # Some Pods go on serving for half a minute, were they asked nicely.
        cluster.api.call("DELETE", f"/api/v1/namespaces/{name}/pods", {"gracePeriodSeconds": 0})
    wait_for(
        "the namespaces of the last run to go",
        lambda: ", ".join(namespaces(cluster)),
        limit=_GONE_SECONDS,
    )
