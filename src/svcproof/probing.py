"""From a target to the prober: the plan, and the attempts as they end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Final, Literal

from svcproof.context import Context
from svcproof.history import Attempt, Form, Position, Target
from svcproof.limits import Limits
from svcproof.ports import Finish, ProbePlan

__all__ = ["attempts", "plan_of"]

#: Forms of address at which something else than the app answers.
_DIALECTS: Final[dict[Form, Literal["healthz", "connect"]]] = {
    "health-check": "healthz",
    "connect": "connect",
}


def plan_of(
    target: Target,
    count: int,
    limits: Limits,
    *,
    concurrency: int = 8,
    rate: float = 0.0,
    connect_timeout: float = 0.0,
    attempt_timeout: float = 0.0,
    source_ports: tuple[int, int] | None = None,
    keep_alive: bool = False,
    payload: int = 0,
    finish: Finish | None = None,
) -> ProbePlan:
    """``count`` fresh connections to ``target``; times that are not given are ``limits``'.

    A target that keeps its source port is asked from that one, one at a time; one that many
    clients ask is asked from the addresses of all of them.
    """
    wanted = attempt_timeout or limits.attempt
    if target.source_port:
        source_ports, concurrency = (target.source_port, target.source_port), 1
    return ProbePlan(
        host=target.host,
        port=target.port,
        count=count,
        protocol=target.protocol,
        family=target.family,
        query=target.query,
        server=target.server,
        dialect=_DIALECTS.get(target.form, "echo"),
        concurrency=concurrency,
        rate=rate,
        connect_timeout=connect_timeout or limits.connect,
        attempt_timeout=wanted,
        source_ports=source_ports,
        source_range=target.source_range,
        keep_alive=keep_alive,
        payload=payload,
        finish=finish,
    )


def attempts(
    context: Context, position: Position, plan: ProbePlan
) -> Generator[Attempt, None, None]:
    """Attempts as they end, unrecorded; none any more once the case is stopped."""
    with closing(context.app.cluster.probe(position, plan)) as found:
        for attempt in found:
            if context.stopped.is_set():
                return
            yield attempt
