"""How often, and for how long, an API server is asked again."""

from __future__ import annotations

import ssl
from typing import Any, Final

from urllib3 import Retry
from urllib3.exceptions import MaxRetryError, ReadTimeoutError, SSLError

__all__ = ["Retrying"]

#: Too many requests, no backend, no time: asked again, as Retry-After says if it is there.
_NOT_NOW: Final = (429, 502, 503, 504)
#: Tries of a server that has not answered yet, which may not be there at all; with their
#: pauses 3 seconds.
_TRIES_FIRST: Final = 4
#: Those of one that has: a restart may take half a minute; with their pauses 26 seconds.
_TRIES_AGAIN: Final = 9
_PAUSE_FACTOR_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5


class Retrying(Retry):
    """Every call may be made twice: server-side apply and merge patches say what is to be, not
    what to add."""

    @classmethod
    def of(cls, *, has_answered: bool, is_silent: bool) -> Retrying:
        """For a server that has answered before, or that has just not answered: asked once."""
        tries = _TRIES_AGAIN if has_answered else _TRIES_FIRST
        return cls(
            total=0 if is_silent else tries,
            allowed_methods=None,
            backoff_factor=_PAUSE_FACTOR_SECONDS,
            backoff_max=_LONGEST_PAUSE_SECONDS,
            retry_after_max=_LONGEST_PAUSE_SECONDS,
            status_forcelist=_NOT_NOW,
            raise_on_status=False,
        )

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Retrying:
        """Who takes a request and says nothing may do so for ever: asked twice. Certificates
        that do not hold will not the next time."""
        timed_out = any(isinstance(each.error, ReadTimeoutError) for each in self.history)
        if (isinstance(error, ReadTimeoutError) and timed_out) or _is_final(error):
            raise MaxRetryError(_pool, url or "", error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def _is_final(error: Exception | None) -> bool:
    """What TLS says; but not that a connection ended."""
    cause = error.args[0] if isinstance(error, SSLError) and error.args else None
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)
