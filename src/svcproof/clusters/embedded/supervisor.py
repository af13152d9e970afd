"""PID 1 of a cluster's own PID namespace: starts the cluster, then becomes its guard.

When it ends, however it ends, the kernel ends every process of the cluster,
and with them go the mounts, the namespaces and the links.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import msgspec

from svcproof.clusters.embedded.boot import Boot
from svcproof.clusters.embedded.guard import end_with_keeper
from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.clusters.embedded.reports import Failure, Report, Reporter
from svcproof.clusters.embedded.state import Processes, StateDirectory
from svcproof.errors import StartFailed, SvcproofError

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Arguments: the state directory, and the descriptors of the host's network namespace,
    of the pipe from the keeper (its end is the keeper's death) and of the pipe for reports.
    """
    directory = StateDirectory(Path(arguments[0]))
    host_namespace, keeper, reports = (int(argument) for argument in arguments[1:4])
    reporter = Reporter(reports)
    _end_with(keeper, directory)
    try:
        boot = _start(directory, host_namespace, reporter)
    except StartFailed as error:
        reporter.send(Report(failed=Failure.of(error)))
        sys.exit(1)
    except (OSError, subprocess.SubprocessError, SvcproofError) as error:
        reporter.send(Report(failed=Failure("supervisor", str(error))))
        sys.exit(1)
    reporter.send(Report(ready=boot.timeline))
    os.close(reports)
    _become_guard(directory, keeper)


def _start(directory: StateDirectory, host_namespace: int, reporter: Reporter) -> Boot:
    plan = directory.plan()
    _cover_run(plan)
    boot = Boot(plan, directory, lambda name, at: reporter.send(Report(milestone=name, seconds=at)))
    boot.run(host_namespace)
    processes = Processes(boot.table.node_inits, boot.table.process_numbers())
    directory.processes_file.write_bytes(msgspec.json.encode(processes))
    directory.timeline_file.write_bytes(msgspec.json.encode(boot.timeline))
    return boot


def _end_with(keeper: int, directory: StateDirectory) -> None:
    threading.Thread(target=end_with_keeper, args=(keeper, directory), daemon=True).start()


def _cover_run(plan: ClusterPlan) -> None:
    """A tmpfs over /run that only this mount namespace sees; in it what is needed of the host."""
    staging = Path(plan.state) / "world"
    components, seeds = staging / "svcproof" / "components", staging / "svcproof" / "seeds"
    staging.mkdir()
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "-o", "mode=0755", "svcproof", str(staging))
    components.mkdir(parents=True)
    seeds.mkdir()
    _mount("--bind", "-o", "ro", plan.components, str(components))
    _mount("--bind", plan.seeds, str(seeds))
    # Moved, so that nothing of it stays below the directory that will be removed.
    _mount("--move", str(staging), "/run")
    staging.rmdir()


def _mount(*arguments: str) -> None:
    # --no-mtab: mount's own notes are in /run, which is being replaced.
    subprocess.run(["mount", "--no-mtab", *arguments], check=True, timeout=10)


def _become_guard(directory: StateDirectory, keeper: int) -> NoReturn:
    """Turn into the guard: the same process, without the memory that starting took."""
    os.set_inheritable(keeper, True)
    module = "svcproof.clusters.embedded.guard"
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, str(directory.path), str(keeper)])


if __name__ == "__main__":
    main(sys.argv[1:])
