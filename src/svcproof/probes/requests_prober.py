"""A prober in Python on ``requests``, for clients where the Go program cannot run.

A new session for each attempt, so a new connection. The name is resolved first
and the literal address dialled, as the Go probe does it. An exception's meaning
is looked up by the error number at the bottom of it, never by its text.
"""

from __future__ import annotations

import errno
import http.client
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

from svcproof.history import Attempt, Backend, Outcome
from svcproof.ports import ProbePlan
from svcproof.recorder import now_ns

__all__ = ["RequestsProber", "outcome_of"]

_FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

#: The same reading as the Go probe's: ``echo-hostname/internal/probe/outcome.go``.
_OUTCOMES: Final = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.ECONNABORTED: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
    errno.ETIMEDOUT: Outcome.TIMED_OUT,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.ENETUNREACH: Outcome.UNREACHABLE,
    errno.ENETDOWN: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.EACCES: Outcome.UNREACHABLE,
    errno.EPERM: Outcome.UNREACHABLE,
    errno.EINVAL: Outcome.UNREACHABLE,
}
#: What getaddrinfo says when it is this machine's own trouble.
_OWN_TROUBLE: Final = frozenset({socket.EAI_MEMORY, socket.EAI_SYSTEM})


class RequestsProber:
    """Fresh HTTP connections from this process's own network namespace, and nothing else."""

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Make the attempts, ``plan.concurrency`` at a time; yield each as it ends."""
        if lacking := _lacking(plan):
            yield from (_unable(lacking) for _ in range(plan.count))
            return
        ports = (
            cycle(range(plan.source_ports[0], plan.source_ports[1] + 1))
            if (plan.source_ports)
            else None
        )
        workers = min(plan.concurrency, plan.count)
        stop = threading.Event()
        with ThreadPoolExecutor(workers, thread_name_prefix="svcproof-requests") as pool:
            futures = []
            try:
                for number in range(plan.count):
                    port = 0 if ports is None else next(ports)
                    futures.append(pool.submit(_attempt, plan, port, _start(plan, number), stop))
                for future in futures:
                    yield future.result()
            finally:
                stop.set()


def outcome_of(error: BaseException) -> Outcome:
    """What an exception of ``requests`` says about the network."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in _OUTCOMES:
            return _OUTCOMES[cause.errno]
    for cause in chain:
        if isinstance(cause, http.client.HTTPException | http.client.RemoteDisconnected):
            return Outcome.RESET  # closed before the answer was complete
        if isinstance(cause, TimeoutError) or _is_timeout(cause):
            return Outcome.TIMED_OUT
    return Outcome.UNKNOWN


@dataclass
class _Trace(threading.local):
    """What the connection of the current thread's attempt was like."""

    connect_us: int | None = None
    local: str = ""

    def clear(self) -> None:
        self.connect_us, self.local = None, ""


_trace: Final = _Trace()


def _start(plan: ProbePlan, number: int) -> float:
    return time.monotonic() + number / plan.rate if plan.rate else 0.0


def _attempt(plan: ProbePlan, source_port: int, start: float, stop: threading.Event) -> Attempt:
    stop.wait(max(0.0, start - time.monotonic()))
    began, clock = now_ns(), time.perf_counter
    if stop.is_set():
        return Attempt(at_ns=began, outcome=Outcome.UNKNOWN, detail="lost: stopped early")
    resolving = clock()
    try:
        address = _resolve(plan)
    except socket.gaierror as error:
        ours = error.errno in _OWN_TROUBLE
        return Attempt(
            at_ns=began,
            outcome=Outcome.UNKNOWN if ours else Outcome.NAME_FAILED,
            resolve_us=_micros(clock() - resolving),
            detail=str(error),
        )
    resolved = _micros(clock() - resolving) if address != plan.host else None
    _trace.clear()
    asked = clock()
    outcome, body, detail = _ask(plan, address, source_port)
    elapsed = _micros(clock() - asked)
    whole = len(body) >= plan.payload
    said = _understood(body) if outcome is Outcome.ANSWERED and whole else None
    if outcome is Outcome.ANSWERED and said is None:
        detail = f"not understood: {len(body)} bytes: {body[:80]!r}"
    backend, source_address, seen_port = said or (None, "", 0)
    return Attempt(
        at_ns=began,
        outcome=outcome,
        resolve_us=resolved,
        connect_us=_trace.connect_us,
        reply_us=elapsed - (_trace.connect_us or 0) if outcome is Outcome.ANSWERED else None,
        backend=backend,
        source_address=source_address,
        source_port=seen_port,
        local_address=_trace.local,
        remote_address=_joined(address, plan.port),
        detail=detail,
    )


def _resolve(plan: ProbePlan) -> str:
    """A literal as it is, a name's first address: asked for anew each time."""
    found = socket.getaddrinfo(plan.host, plan.port, _FAMILIES[plan.family], socket.SOCK_STREAM)
    return str(found[0][4][0])


def _ask(plan: ProbePlan, address: str, source_port: int) -> tuple[Outcome, bytes, str]:
    import requests

    session = requests.Session()
    session.trust_env = False  # a proxy would be measured instead
    session.mount("http://", _adapter(source_port))
    try:
        with session:
            response = session.get(
                f"http://{_joined(address, plan.port)}/json",
                headers={"Host": plan.host, "Connection": "close"},
                data=b" " * plan.payload,
                timeout=(min(plan.connect_timeout, plan.attempt_timeout), plan.attempt_timeout),
                allow_redirects=False,
            )
    except requests.RequestException as error:
        return outcome_of(error), b"", _bottom(error)
    return Outcome.ANSWERED, response.content if response.ok else b"", ""


def _adapter(source_port: int) -> Any:
    """An adapter whose connections leave a trace."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

    class Connection(HTTPConnection):
        def connect(self) -> None:
            started = time.perf_counter()
            super().connect()
            _trace.connect_us = _micros(time.perf_counter() - started)
            _trace.local = _joined(*self.sock.getsockname()[:2])

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            if source_port:
                options["source_address"] = ("", source_port)
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool}

    return Adapter(max_retries=0)


def _understood(body: bytes) -> tuple[Backend, str, int] | None:
    try:
        said = json.loads(body)
        return (
            Backend(
                pod=said["pod"],
                uid=said["uid"],
                node=said["node"],
                namespace=said["namespace"],
                run=said["run"],
            ),
            said["client_address"],
            said["client_port"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and all that it wraps in one way or another."""
    queue: list[BaseException] = [error]
    seen: set[int] = set()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        wrapped = (
            getattr(current, "reason", None),
            current.__cause__,
            current.__context__,
            *current.args,
        )
        queue += [item for item in wrapped if isinstance(item, BaseException)]


def _is_timeout(error: BaseException) -> bool:
    import requests
    import urllib3

    return isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)


def _bottom(error: BaseException) -> str:
    """The innermost error's text."""
    *_, last = _chain(error)
    return f"{type(last).__name__}: {last}"


def _lacking(plan: ProbePlan) -> str:
    """What a plan wants that this prober does not have."""
    if plan.query:
        return "DNS queries"
    if plan.keep_alive or plan.source_range:
        return "kept connections" if plan.keep_alive else "range of addresses"
    if plan.protocol != "tcp" or plan.dialect != "echo":
        return f"{plan.protocol} in dialect {plan.dialect}"
    return ""


def _unable(lacking: str) -> Attempt:
    detail = f"lost: this prober has no {lacking}"
    return Attempt(at_ns=now_ns(), outcome=Outcome.UNKNOWN, detail=detail)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _micros(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
