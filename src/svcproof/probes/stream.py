"""Reading a client's output: one JSON line an attempt, and a last line that it is complete.

A client's output can break off anywhere, and an exec can lose the exit status:
then the attempts that did not arrive are ``unknown``, with the reason. Those
that did arrive stay what they are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final

import msgspec

from svcproof.errors import BadHistory
from svcproof.history import Attempt, Outcome, decode_attempt
from svcproof.ports import Finish
from svcproof.probes.clock import ClientClock
from svcproof.recorder import now_ns

__all__ = ["ProbeLostError", "attempts", "is_last"]


#: What a client program says of a flag that only newer ones have.
_NO_SUCH_FLAG: Final = "flag provided but not defined"


class ProbeLostError(Exception):
    """The harness lost a client. It ends here: the attempts become ``unknown``."""


class _End(msgspec.Struct, tag="end"):
    attempts: int

    def __str__(self) -> str:
        return f"the client said that it made {self.attempts} attempts"


class _Failed(msgspec.Struct, tag="failed"):
    detail: str

    def __str__(self) -> str:
        if self.detail.startswith(_NO_SUCH_FLAG):
            return (
                f"the client program is of another version of svcproof, which cannot do this "
                f"({self.detail}): give the cluster this version's image, or start it anew"
            )
        return f"the client failed: {self.detail}"


_last_decoder: msgspec.json.Decoder[_End | _Failed] = msgspec.json.Decoder(_End | _Failed)


def is_last(line: bytes) -> bool:
    """Whether a client's line is the one after which there are no more."""
    return line.startswith(b'{"type":')  # an attempt has no type


def attempts(
    lines: Iterable[bytes],
    count: int,
    *,
    finish: Finish | None = None,
    clock: ClientClock | None = None,
) -> Generator[Attempt, None, None]:
    """Exactly ``count`` attempts out of a client's output lines.

    With ``finish`` there are fewer: those that the client made until it was told, and
    if it is lost before that, one for all that it would have made.

    ``clock`` is the client's, where it is not this machine's.
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
                count = _promised(entry, count, finish)
                break
            if made < count:
                made += 1
                yield clock.ours(entry) if clock else entry
    except (ProbeLostError, BadHistory) as error:
        reason = str(error)
    finally:
        if isinstance(source, Generator):
            source.close()
    lost = count - made
    for _ in range(lost if finish is None else min(lost, 1)):
        yield Attempt(at_ns=now_ns(), outcome=Outcome.UNKNOWN, detail=f"lost: {reason}")


def _promised(last: _End | _Failed, count: int, finish: Finish | None) -> int:
    """How many attempts there should be, now that the client has said its last."""
    told = finish is not None and finish.is_set
    return min(count, last.attempts) if told and isinstance(last, _End) else count


def _decode(line: bytes) -> Attempt | _End | _Failed:
    if is_last(line):
        try:
            return _last_decoder.decode(line)
        except msgspec.DecodeError as error:
            raise BadHistory(f"not a last line: {error}: {line[:200]!r}") from error
    return decode_attempt(line)
