"""The other end of ``barrier/svcproof_barrier.py``: what is done while a run is held."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["Barrier", "Held"]


@dataclass(frozen=True)
class Held:
    """A moment that a run reached, and until when it was held; seconds of the monotonic clock."""

    moment: str
    since: float
    until: float


class Barrier:
    """Answers each moment of a run after its action, if it has one, has returned."""

    def __init__(self, path: Path, actions: Mapping[str, Callable[[], None]]) -> None:
        self.path = path
        self.held: list[Held] = []
        self.problem = ""  #: what an action raised; the run went on
        self._actions = actions
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Barrier:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self.path.unlink()

    def paused(self, *, until: float = float("inf")) -> float:
        """For how long the run was held in all, up to a time."""
        return sum(min(each.until, until) - each.since for each in self.held if each.since < until)

    def reached(self, moment: str) -> float | None:
        """When the run went on from the first such moment."""
        return next((each.until for each in self.held if each.moment == moment), None)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection, connection.makefile() as lines:
                since = time.monotonic()
                moment = json.loads(lines.readline())["moment"]
                self._act(moment)
                self.held.append(Held(moment, since, time.monotonic()))
                connection.sendall(b"\n")

    def _act(self, moment: str) -> None:
        action = self._actions.get(moment)
        try:
            if action is not None:
                action()
        except Exception as error:
            self.problem = self.problem or f"{moment}: {type(error).__name__}: {error}"
