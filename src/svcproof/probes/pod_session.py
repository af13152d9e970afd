"""Many probes over one connection to an agent: ``echo-hostname/internal/agent``.

Orders go out as JSON lines; each line that comes back has its order's number
before it. One thread owns the connection, because neither the websocket nor TLS
can be used by two; whoever waits for lines waits at a queue.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import selectors
import socket
import threading
import time
from collections.abc import Generator, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from svcproof.probes.stream import ProbeLostError, is_last

__all__ = ["Connection", "Order", "Session", "by_order"]

#: After so much silence the connection may be dead without anybody's knowing, and
#: an order sent into it would be lost; a ping is not.
_QUIET_SECONDS: Final = 2.0
_PING_SECONDS: Final = 10.0
#: How long closing waits for the thread; it is a daemon and holds nobody up.
_CLOSE_SECONDS: Final = 2.0


class Connection(Protocol):
    """What a session needs of an exec."""

    def fileno(self) -> int:
        """What to wait for."""
        ...

    def has_buffered(self) -> bool:
        """Something can be received without waiting."""
        ...

    def receive(self) -> bytes:
        """A piece of standard output, perhaps empty; raises ProbeLostError after the last."""
        ...

    def send(self, data: bytes) -> None:
        """Write to standard input."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class Order:
    """One probe that an agent was told to make."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number
        self._arrived: SimpleQueue[list[bytes] | ProbeLostError] = SimpleQueue()

    def lines(self, limit: float) -> Generator[bytes, None, None]:
        """Its lines as they come. Raises :class:`ProbeLostError` if no more can.

        ``limit`` is the longest time between two lines. Closing the generator
        before the last line stops the probe.
        """
        ended = False
        try:
            while not ended:
                for line in self._next(limit):
                    ended = is_last(line)
                    yield line
        finally:
            self._session.forget(self.number, stop=not ended)

    def finish(self) -> None:
        """Begin nothing else; what is under way goes on to its end."""
        self._session.finish(self.number)

    def _next(self, limit: float) -> list[bytes]:
        try:
            arrived = self._arrived.get(timeout=limit)
        except Empty:
            reason = f"the client was silent for {limit:g} s"
            self._session.end(reason)  # it hangs: the next probe needs another
            raise ProbeLostError(reason) from None
        if isinstance(arrived, ProbeLostError):
            raise arrived
        return arrived

    def give(self, arrived: list[bytes] | ProbeLostError) -> None:
        """For the session's thread: lines, or why there are no more."""
        self._arrived.put(arrived)


class Session:
    """One agent. May be used from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._orders: dict[int, Order] = {}
        self._outbox: list[bytes] = []
        self._heard_at = time.monotonic()
        self._reason = ""  #: why it is over; empty while it is not
        self._bell, self._heard = socket.socketpair()
        self._bell.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True, name="svcproof-pod-session")
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """No order can be given any more."""
        return bool(self._reason)

    @property
    def is_running(self) -> bool:
        """Its thread has not ended yet."""
        return self._thread.is_alive()

    def order(self, arguments: Sequence[str]) -> Order:
        """Start a probe. Raises :class:`ProbeLostError` if the session is over."""
        return self._ask({"arguments": list(arguments)})

    def check(self) -> None:
        """End a session that does not answer, if it has not been heard for a while.

        Raises :class:`ProbeLostError` then: nothing was sent that could be lost.
        """
        if time.monotonic() - self._heard_at >= _QUIET_SECONDS:
            list(self._ask({"ping": True}).lines(_PING_SECONDS))

    def forget(self, number: int, *, stop: bool) -> None:
        """Lines of this order are of no use any more."""
        with self._lock:
            known = self._orders.pop(number, None)
            if stop and known is not None and not self._reason:
                self._post({"id": number, "stop": True})

    def finish(self, number: int) -> None:
        """Tell an order's probe to begin nothing else."""
        with self._lock:
            if number in self._orders and not self._reason:
                self._post({"id": number, "finish": True})

    def end(self, reason: str) -> None:
        """Give up the connection; what is under way is lost for this reason."""
        with self._lock:
            if self._reason:
                return
            self._reason = reason
            self._ring()
            lost = list(self._orders.values())
            self._orders.clear()
        for order in lost:
            order.give(ProbeLostError(reason))

    def close(self) -> None:
        """End the session, and wait a moment until its connection is closed."""
        self.end("the session was closed")
        self._thread.join(_CLOSE_SECONDS)

    def _ask(self, message: dict[str, object]) -> Order:
        with self._lock:
            if self._reason:
                raise ProbeLostError(self._reason)
            number = next(self._numbers)
            order = self._orders[number] = Order(self, number)
            self._post({"id": number, **message})
        return order

    def _post(self, message: dict[str, object]) -> None:
        self._outbox.append(json.dumps(message).encode() + b"\n")
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._bell.send(b"!")

    def _run(self) -> None:
        reason = "the session's thread failed"
        try:
            with selectors.DefaultSelector() as selector:
                for source in (self._connection, self._heard):
                    selector.register(source, selectors.EVENT_READ)
                self._serve(selector)
        except ProbeLostError as lost:
            reason = str(lost)
        finally:
            self.end(reason)
            self._connection.close()
            self._bell.close()
            self._heard.close()

    def _serve(self, selector: selectors.BaseSelector) -> None:
        rest = b""
        while not self._reason:
            buffered = self._connection.has_buffered()
            ready = {key.fileobj for key, _ in selector.select(0 if buffered else None)}
            if self._heard in ready:
                self._send_orders()
            if buffered or self._connection in ready:
                *lines, rest = (rest + self._connection.receive()).split(b"\n")
                self._distribute(lines)

    def _send_orders(self) -> None:
        self._heard.recv(4096)
        with self._lock:
            waiting, self._outbox = self._outbox, []
        if waiting:
            self._connection.send(b"".join(waiting))

    def _distribute(self, lines: list[bytes]) -> None:
        self._heard_at = time.monotonic()
        sorted_lines = by_order(lines)
        stray = sorted_lines.pop(0, None)
        for number, own in sorted_lines.items():
            with self._lock:
                order = self._orders.get(number)
            if order is not None:  # otherwise it was stopped, and nobody waits
                order.give(own)
        if stray:
            # Whose it is cannot be told, so whatever is under way may lack something.
            raise ProbeLostError(f"not an agent's line: {stray[0][:200]!r}")


def by_order(lines: list[bytes]) -> dict[int, list[bytes]]:
    """An agent's lines by order, without the numbers; those without a number under 0."""
    sorted_lines: dict[int, list[bytes]] = {}
    for line in lines:
        number, _, own = line.partition(b" ")
        if number.isdigit():
            sorted_lines.setdefault(int(number), []).append(own)
        else:
            sorted_lines.setdefault(0, []).append(line)
    return sorted_lines
