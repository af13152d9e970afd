"""What not even root may do on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["lacks_sys_resource"]

#: CAP_SYS_RESOURCE, by its number in linux/capability.h.
_SYS_RESOURCE: Final = 24


def lacks_sys_resource(status: Path = Path("/proc/self/status")) -> bool:
    """Whether not even root may give a process a better out-of-memory score here."""
    try:
        lines = status.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    bounding = next((line for line in lines if line.startswith("CapBnd:")), "CapBnd: ffffffffff")
    return not int(bounding.split()[1], 16) >> _SYS_RESOURCE & 1
