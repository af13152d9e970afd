"""One prerequisite: there or not, and what to do if not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked for, whether it is there, which version or why not, and the remedy.

    ``needed_for`` is "" for what every cluster needs, else what needs it:
    ``iptables`` and ``ipv6`` (options), ``building``, ``speed``.
    """

    name: str
    found: bool
    detail: str = ""
    remedy: str = ""
    needed_for: str = ""

    @property
    def required(self) -> bool:
        """Whether a cluster with default options cannot do without."""
        return self.needed_for in ("", "iptables")

    def __str__(self) -> str:
        state = "" if self.found else " is missing"
        return f"{self.name}{state}{': ' if self.detail else ''}{self.detail}"
