"""A plan as the arguments of the Go probe: ``echo-hostname/internal/probe/options.go``."""

from __future__ import annotations

from svcproof.ports import ProbePlan

__all__ = ["probe_arguments", "probe_flags", "silence_limit"]

#: What resolving may take, and starting the program on a busy machine.
_START_SECONDS = 20.0
_RESOLVE_SECONDS = 6.0


def probe_arguments(plan: ProbePlan) -> list[str]:
    """The arguments after the program's name."""
    return ["probe", *probe_flags(plan), *_local_flags(plan)]


def probe_flags(plan: ProbePlan) -> list[str]:
    """The subcommand's flags: what an agent is sent."""
    flags = [
        f"--host={plan.host}",
        f"--count={plan.count}",
        f"--concurrency={plan.concurrency}",
        f"--attempt-timeout={plan.attempt_timeout:g}",
        *(_query_flags(plan) if plan.query else _connection_flags(plan)),
    ]
    if plan.rate:
        flags.append(f"--rate={plan.rate:g}")
    return flags


def _local_flags(plan: ProbePlan) -> list[str]:
    # An agent is told by an order; a program of its own by the end of its input.
    return ["--finish-at-eof"] if plan.finish else []


def _query_flags(plan: ProbePlan) -> list[str]:
    # The attempt is the lookup.
    return [
        f"--query={plan.query}",
        f"--resolve-timeout={plan.attempt_timeout:g}",
        *([f"--server={plan.server}"] if plan.server else []),
        *(["--by-tcp"] if plan.protocol == "tcp" else []),
    ]


def _connection_flags(plan: ProbePlan) -> list[str]:
    flags = [
        f"--port={plan.port}",
        f"--protocol={plan.protocol}",
        f"--family={plan.family}",
        f"--resolve-timeout={_RESOLVE_SECONDS:g}",
        f"--connect-timeout={plan.connect_timeout:g}",
        f"--dialect={plan.dialect}",
    ]
    if plan.source_ports is not None:
        flags.append("--source-ports={}-{}".format(*plan.source_ports))
    if plan.source_range:
        flags.append(f"--bind={plan.source_range}")
    if plan.keep_alive:
        flags.append("--keep-alive")
    if plan.payload:
        flags.append(f"--payload={plan.payload}")
    return flags


def silence_limit(plan: ProbePlan) -> float:
    """After so many seconds without a line the client is lost: an attempt cannot take longer."""
    between_starts = 1 / plan.rate if plan.rate else 0.0
    return _START_SECONDS + _RESOLVE_SECONDS + plan.attempt_timeout + between_starts
