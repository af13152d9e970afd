"""A plan as the arguments of the Go probe: ``echo-hostname/internal/probe/options.go``."""

from __future__ import annotations

from svcproof.ports import ProbePlan

__all__ = ["probe_arguments", "silence_limit"]

#: What resolving may take, and starting the program on a busy machine.
_START_SECONDS = 20.0
_RESOLVE_SECONDS = 6.0


def probe_arguments(plan: ProbePlan) -> list[str]:
    """The arguments after the program's name."""
    arguments = [
        "probe",
        f"--host={plan.host}",
        f"--port={plan.port}",
        f"--count={plan.count}",
        f"--protocol={plan.protocol}",
        f"--family={plan.family}",
        f"--concurrency={plan.concurrency}",
        f"--connect-timeout={plan.connect_timeout:g}",
        f"--attempt-timeout={plan.attempt_timeout:g}",
        f"--resolve-timeout={_RESOLVE_SECONDS:g}",
        f"--dialect={plan.dialect}",
    ]
    if plan.rate:
        arguments.append(f"--rate={plan.rate:g}")
    if plan.source_ports is not None:
        arguments.append("--source-ports={}-{}".format(*plan.source_ports))
    return arguments


def silence_limit(plan: ProbePlan) -> float:
    """After so many seconds without a line the client is lost: an attempt cannot take longer."""
    between_starts = 1 / plan.rate if plan.rate else 0.0
    return _START_SECONDS + _RESOLVE_SECONDS + plan.attempt_timeout + between_starts
