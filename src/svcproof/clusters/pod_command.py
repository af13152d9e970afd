"""One command in a Pod, through the API server's exec, and what it said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from svcproof.errors import ClusterProblem
from svcproof.probes.exec_socket import ExecSocket, Status, ending
from svcproof.probes.stream import ProbeLostError

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["run_in_pod"]


def run_in_pod(
    api: Api, namespace: str, pod: str, command: Sequence[str], *, limit: float
) -> tuple[int, str, str]:
    """Exit code, standard output and the end of standard error.

    Raises :class:`~svcproof.errors.ClusterProblem` when the exec does not begin, or is not over
    after ``limit`` seconds, and :class:`~svcproof.errors.EnvironmentProblem` if none can.
    """
    deadline = time.monotonic() + limit
    stream = ExecSocket(api, namespace=namespace, pod=pod, command=command, with_input=False)
    output, status = b"", None
    try:
        while status is None:
            piece, status = stream.receive_any()
            output += piece
            if status is None and time.monotonic() > deadline:
                words = " ".join(command)
                raise ClusterProblem(f"exec in Pod {pod}: {words} not over after {limit:g} s")
    except ProbeLostError as lost:
        raise ClusterProblem(f"exec in Pod {pod}: {lost}") from lost
    finally:
        stream.close()
    code = _exit_code(status)
    if code is None:
        raise ClusterProblem(f"exec in Pod {pod}: {ending(status, stream.errors)}")
    return code, output.decode(errors="replace"), stream.errors.decode(errors="replace")


def _exit_code(status: Status) -> int | None:
    """None where the program was not run at all."""
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or ()
    codes = [int(each["message"]) for each in causes if each.get("reason") == "ExitCode"]
    return codes[0] if codes else None
