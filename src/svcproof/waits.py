"""Waiting: always with a name, a limit and the last state that was seen."""

from __future__ import annotations

import time
from collections.abc import Callable

from svcproof.errors import WaitExpired

__all__ = ["wait_for"]


def wait_for(
    what: str, look: Callable[[], str], *, limit: float, interval: float = 0.1, remedy: str = ""
) -> float:
    """Call ``look`` until it returns "" (nothing is lacking); the seconds that took.

    Anything else that ``look`` returns is the state it saw. Raises
    :class:`~svcproof.errors.WaitExpired` with the last one when ``limit``
    seconds are over.
    """
    import tenacity

    started = time.monotonic()
    lacking = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        stop=tenacity.stop_after_delay(limit),
        wait=tenacity.wait_fixed(interval),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
    )(look)
    if lacking:
        raise WaitExpired(what, limit=limit, last_state=lacking, remedy=remedy)
    return time.monotonic() - started
