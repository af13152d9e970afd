"""Reading a client's output: one JSON line an attempt, and a last line that it is complete.

A client's output can break off anywhere, and an exec can lose the exit status:
then the attempts that did not arrive are ``unknown``, with the reason. Those
that did arrive stay what they are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

import msgspec

from svcproof.errors import BadHistory
from svcproof.history import Attempt, Outcome, decode_attempt
from svcproof.recorder import now_ns

__all__ = ["ProbeLostError", "attempts", "is_last"]


class ProbeLostError(Exception):
    """The harness lost a client. It ends here: the attempts become ``unknown``."""


class _End(msgspec.Struct, tag="end"):
    attempts: int

    def __str__(self) -> str:
        return f"the client said that it made {self.attempts} attempts"


class _Failed(msgspec.Struct, tag="failed"):
    detail: str

    def __str__(self) -> str:
        return f"the client failed: {self.detail}"


_last_decoder: msgspec.json.Decoder[_End | _Failed] = msgspec.json.Decoder(_End | _Failed)


def is_last(line: bytes) -> bool:
    """Whether a client's line is the one after which there are no more."""
    return line.startswith(b'{"type":')  # an attempt has no type


def attempts(lines: Iterable[bytes], count: int) -> Generator[Attempt, None, None]:
    """Exactly ``count`` attempts out of a client's output lines.

    ``lines`` may raise :class:`ProbeLostError` with the reason when there are
    no more. Its generator is closed when this one is.
    """
    made = 0
    reason = "the client's output ended without its last line"
    source = iter(lines)
    try:
        for line in source:
            entry = _decode(line)
            if not isinstance(entry, Attempt):
                reason = str(entry)
                break
            if made < count:
                made += 1
                yield entry
    except (ProbeLostError, BadHistory) as error:
        reason = str(error)
    finally:
        if isinstance(source, Generator):
            source.close()
    for _ in range(count - made):
        yield Attempt(at_ns=now_ns(), outcome=Outcome.UNKNOWN, detail=f"lost: {reason}")


def _decode(line: bytes) -> Attempt | _End | _Failed:
    if is_last(line):
        try:
            return _last_decoder.decode(line)
        except msgspec.DecodeError as error:
            raise BadHistory(f"not a last line: {error}: {line[:200]!r}") from error
    return decode_attempt(line)
