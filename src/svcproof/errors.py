"""Every error svcproof raises on purpose.

    SvcproofError
    ├── UsageError              an option, argument or file is wrong
    ├── EnvironmentProblem      the machine or the cluster lacks something
    │   ├── MissingTool         a program that has to be installed first
    │   ├── ComponentsUnavailable   no usable build of the Kubernetes components
    │   ├── NameInUse           a running cluster has that name already
    │   ├── ClusterNotFound     no running cluster has that name
    │   ├── StartFailed         a cluster could not be started; nothing is left of it
    │   ├── NotSupported        this kind of cluster lacks a power
    │   └── OtherVersion        what another version has left cannot be read
    ├── ClusterProblem          the cluster did not do what it was asked for
    │   ├── ApplyFailed         the API server refused an object
    │   ├── ApiRefused          the API server refused another request
    │   ├── HealFailed          a planted fault could not be taken away altogether
    │   └── WaitExpired         a bounded wait ran out
    └── BadHistory              a saved history that cannot be read

A wrong answer of the network is never an exception: it is an
:class:`~svcproof.history.Observation`. Usage errors and environment problems
end a run with exit code 4; see :data:`EXIT_CODES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = [
    "EXIT_CODES",
    "ApiRefused",
    "ApplyFailed",
    "BadHistory",
    "ClusterNotFound",
    "ClusterProblem",
    "ComponentsUnavailable",
    "EnvironmentProblem",
    "HealFailed",
    "MissingTool",
    "NameInUse",
    "NotSupported",
    "OtherVersion",
    "StartFailed",
    "SvcproofError",
    "UsageError",
    "WaitExpired",
]

#: What each exit code of ``svcproof run`` and of a pytest run means.
EXIT_CODES: Final = {
    0: "pass",
    1: "fail",
    2: "interrupted",
    3: "inconclusive",
    4: "usage or environment",
}


class SvcproofError(Exception):
    """What happened and where, and (``remedy``) what to do next."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}\n  what to do: {remedy}" if remedy else what)


class UsageError(SvcproofError):
    """An option, an argument or a file from outside is wrong."""


class EnvironmentProblem(SvcproofError):
    """The machine or the cluster lacks something a run needs."""


class MissingTool(EnvironmentProblem):
    """A program that must be installed first; the remedy is the command to type."""


class ComponentsUnavailable(EnvironmentProblem):
    """No usable build of the Kubernetes components."""


class NameInUse(EnvironmentProblem):
    """A running cluster has that name already."""


class ClusterNotFound(EnvironmentProblem):
    """No running cluster has that name."""


class StartFailed(EnvironmentProblem):
    """A cluster could not be started, and nothing is left of it.

    ``component`` names what failed, ``exit_code`` is ``None`` while it was
    still running, ``log_lines`` are the last lines it wrote.
    """

    def __init__(
        self,
        component: str,
        reason: str,
        *,
        exit_code: int | None = None,
        log_lines: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        self.component = component
        self.reason = reason
        self.exit_code = exit_code
        self.log_lines = tuple(log_lines)
        state = "" if exit_code is None else f" (exit code {exit_code})"
        lines = [f"the cluster did not start: {component}{state}: {reason}"]
        if log_lines:
            lines.append(f"  last {len(self.log_lines)} log lines of {component}:")
            lines += [f"    {line}" for line in self.log_lines]
        super().__init__("\n".join(lines), remedy=remedy)


class NotSupported(EnvironmentProblem):
    """This kind of cluster lacks a power; the text says which and why.

    ``is_prevented``: it has it, and something that could be otherwise (a quota, a policy, a
    webhook) is against it.
    """

    def __init__(self, what: str, *, remedy: str = "", is_prevented: bool = False) -> None:
        self.is_prevented = is_prevented
        super().__init__(what, remedy=remedy)


class OtherVersion(EnvironmentProblem):
    """Something that another version of svcproof has left, and this one cannot read."""


class ClusterProblem(SvcproofError):
    """The cluster did not do what it was asked for."""


class ApplyFailed(ClusterProblem):
    """The API server refused an object; the text is its own.

    ``is_forbidden``: not for what the object says, but because a quota, a policy or a missing
    right is against it (HTTP 403).
    """

    def __init__(self, what: str, *, remedy: str = "", is_forbidden: bool = False) -> None:
        self.is_forbidden = is_forbidden
        super().__init__(what, remedy=remedy)


class ApiRefused(ClusterProblem):
    """The API server refused a request; ``status`` is the HTTP code, the text its own."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class HealFailed(ClusterProblem):
    """A planted fault could not be taken away altogether: the text says what may still be broken.

    ``leftovers`` are pairs: what may be broken and why, and how to undo it by hand.
    """

    def __init__(self, fault: str, leftovers: Sequence[tuple[str, str]]) -> None:
        self.leftovers = tuple(leftovers)
        lines = [f"fault {fault}: healing failed, this may still be broken:"]
        for what, by_hand in leftovers:
            lines += [f"  {what}", f"    by hand: {by_hand}"]
        super().__init__("\n".join(lines))


class WaitExpired(ClusterProblem):
    """A bounded wait ran out: what was awaited, how long, the last state seen.

    ``node`` is the only one that it waited for; "" if there are several, or none. ``is_known``:
    it was waited for in vain before, and not for long this time.
    """

    def __init__(
        self,
        waited_for: str,
        *,
        limit: float,
        last_state: str,
        remedy: str = "",
        node: str = "",
        is_known: bool = False,
    ) -> None:
        self.node = node
        self.is_known = is_known
        self.waited_for = waited_for
        self.limit = limit
        self.last_state = last_state
        super().__init__(
            f"waited {limit:g} s for {waited_for}; last state: {last_state}", remedy=remedy
        )


class BadHistory(SvcproofError):
    """A saved history that cannot be read: file, line and what is wrong with it."""
