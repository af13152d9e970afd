"""Where the programs of an embedded cluster come from.

:func:`obtain` finds or builds them: a given directory, an installed
``svcproof-components`` wheel, the cache, a build from the pinned Go module.
"""

from __future__ import annotations

from svcproof.components.model import BINARIES, Components
from svcproof.components.obtain import obtain
from svcproof.components.progress import Progress, Silent, open_progress
from svcproof.components.versions import DEFAULT_KUBERNETES, minors

__all__ = [
    "BINARIES",
    "DEFAULT_KUBERNETES",
    "Components",
    "Progress",
    "Silent",
    "minors",
    "obtain",
    "open_progress",
]
