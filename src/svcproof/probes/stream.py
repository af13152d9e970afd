"""Reading a client's output: one JSON line an attempt, and a last line that it is complete.

A client's output can break off anywhere, and an exec can lose the exit status:
then the attempts that did not arrive are ``unknown``, with the reason. Those
that did arrive stay what they are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Literal

import msgspec

from svcproof.errors import BadHistory
from svcproof.history import Attempt, Outcome, decode_attempt
from svcproof.recorder import now_ns

__all__ = ["ProbeLostError", "attempts"]


class ProbeLostError(Exception):
    """The harness lost a client. It ends here: the attempts become ``unknown``."""


class _End(msgspec.Struct):
    type: Literal["end"]
    attempts: int


_end_decoder = msgspec.json.Decoder(_End)


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
            if isinstance(entry, _End):
                reason = f"the client said that it made {entry.attempts} attempts"
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


def _decode(line: bytes) -> Attempt | _End:
    try:
        return decode_attempt(line)
    except BadHistory:
        try:
            return _end_decoder.decode(line)
        except msgspec.DecodeError:
            pass
        raise
