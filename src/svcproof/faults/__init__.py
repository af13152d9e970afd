"""Faults that can be planted in a running cluster, and always taken away again.

They need the protocol and the optional powers of :mod:`svcproof.ports` only.
``docs/faults.md`` is the catalogue for people.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from svcproof.faults import affinity, api_objects, dns, nat, policy, proxy, underlay
from svcproof.faults.model import Fault, Undo, planted, unsupported
from svcproof.faults.scene import Scene

__all__ = ["CATALOGUE", "Fault", "Scene", "Undo", "planted", "unsupported"]

_GROUPS: Final = (api_objects, proxy, nat, policy, affinity, underlay, dns)

#: Every fault by its slug, in the order of the catalogue's rows.
CATALOGUE: Final = MappingProxyType(
    {
        fault.slug: fault
        for fault in sorted(
            (fault for group in _GROUPS for fault in group.FAULTS), key=lambda fault: fault.number
        )
    }
)
