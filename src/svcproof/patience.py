"""What a run has found out about its ways, and how long it still waits for one to settle.

Patience is a budget of the run. A way that never gave what is promised is waited for
once; whatever asks the same way later looks, and goes on to the measurement, whose
samples and error rates are the same. One that gives what is promised again is waited
for as any other; only the Service that was waited for in vain, if it fails once more, not
for as long.
"""

from __future__ import annotations

import threading
import time
from bisect import insort
from dataclasses import dataclass

from svcproof.history import Position, Target
from svcproof.limits import Limits

__all__ = ["Patience", "Way", "way_of"]

#: A way that so many Services did not settle on, and none did, is itself at fault.
_SERVICES = 2
#: A pair may take so many times as long as nine of ten that settled.
_TIMES_OTHERS = 3.0
#: What was given up before, and has settled since, is waited for so many times as long as what has
#: not: a change takes kube-proxy one to two seconds.
_TIMES_RECHECK = 2.0
_OF_TEN = 0.9
_NAMES = ("short-name", "fqdn", "dns")


@dataclass(frozen=True, slots=True)
class Way:
    """From a place into the cluster's Services: client place × kind of target × node."""

    position: str
    kind: str
    entry_node: str
    protocol: str
    family: str


def way_of(position: Position, target: Target) -> Way:
    """The way that a pair takes; all kinds of names are one kind."""
    kind: str = "name" if target.form in _NAMES else target.form
    if target.source_port:
        kind = f"{kind} from one port"  # what is remembered of a flow is no rule's fault
    return Way(position.name, kind, target.entry_node, target.protocol, target.family)


class Patience:
    """How long to wait for a pair to settle; may be asked from several threads.

    The limits are those of :class:`~svcproof.limits.Limits`: ``convergence`` is what all
    waits that were in vain may take together, ``unsettled`` and ``recheck`` are for one pair.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._broken: dict[Way, set[str]] = {}
        self._given_up: set[tuple[Way, str]] = set()  #: ever
        self._working: set[Way] = set()  #: some Service has settled on it
        self._settled: list[float] = []  #: seconds, in order of size
        self._spent = 0.0
        self._spent_until = 0.0

    def seconds(self, way: Way, service: str, limits: Limits, *, is_stale: bool = False) -> float:
        """How long a pair may take from the moment at which it is first asked.

        ``is_stale``: it answers, otherwise than promised, as where rules come late.
        What others have waited for in vain is not taken from a way that works.
        """
        with self._lock:
            if self._is_known(way, service):
                return min(limits.recheck, limits.convergence)
            if (way, service) in self._given_up:
                return min(_TIMES_RECHECK * limits.recheck, limits.unsettled, limits.convergence)
            least = max(limits.stale if is_stale else 0.0, limits.unsettled)
            wanted = max(least, _TIMES_OTHERS * self._usual())
            left = limits.convergence - self._spent
            works = way in self._working
        allowed = wanted if works else min(wanted, left)
        return min(max(limits.recheck, allowed), limits.convergence)

    def is_known(self, way: Way, service: str) -> bool:
        """Whether it was waited for in vain, and has not settled since."""
        with self._lock:
            return self._is_known(way, service)

    def settled(self, way: Way, service: str, seconds: float, *, is_answered: bool = True) -> None:
        """A pair gave what is promised after so many seconds.

        That connections fail as they must (not ``is_answered``) says nothing of the way:
        where nothing passes they would as well.
        """
        with self._lock:
            insort(self._settled, seconds)
        if is_answered:
            self.healed(way, service)

    def healed(self, way: Way, service: str) -> None:
        """A pair that was given up gave what is promised."""
        with self._lock:
            self._broken.get(way, set()).discard(service)
            self._working.add(way)

    def gave_up(self, way: Way, service: str, seconds: float) -> None:
        """A pair was waited for in vain; waits at the same time count once."""
        now = time.monotonic()
        with self._lock:
            self._broken.setdefault(way, set()).add(service)
            self._given_up.add((way, service))
            self._spent += max(0.0, now - max(now - seconds, self._spent_until))
            self._spent_until = now

    def _usual(self) -> float:
        """Seconds within which nine of ten pairs settled."""
        return self._settled[int(_OF_TEN * (len(self._settled) - 1))] if self._settled else 0.0

    def _is_known(self, way: Way, service: str) -> bool:
        broken = self._broken.get(way, set())
        return service in broken or (len(broken) >= _SERVICES and way not in self._working)
