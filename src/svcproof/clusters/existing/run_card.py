"""Whose objects these are: what a later sweep needs to know of a run. Pure but for the clock."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from svcproof.manifest_files import RUN_LABEL

__all__ = [
    "CARD_NAME",
    "MANAGED_BY",
    "OWNER",
    "card",
    "is_over",
    "labels",
    "owner_annotations",
]

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "svcproof"}
OWNER: Final = "svcproof.dev/owner"
_EXPIRES: Final = "svcproof.dev/expires"
#: The ConfigMap of a run in a namespace that was there before.
CARD_NAME: Final = "svcproof-run"
#: No run takes so long: what is older has lost its owner, wherever that was.
_LONGEST_RUN_SECONDS: Final = 6 * 3600


def labels(run: str) -> dict[str, str]:
    """On everything that a run makes."""
    return {**MANAGED_BY, RUN_LABEL: run}


def owner_annotations() -> dict[str, str]:
    """This process, so that it can be told whether it still runs; and how long at most."""
    process = psutil.Process()
    owner = f"{_machine()} {process.pid} {process.create_time():.2f}"
    return {OWNER: owner, _EXPIRES: f"{time.time() + _LONGEST_RUN_SECONDS:.0f}"}


def card(run: str) -> dict[str, Any]:
    """A ConfigMap that says whose the objects of this run are."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{CARD_NAME}-{run}",
            "labels": labels(run),
            "annotations": owner_annotations(),
        },
    }


def is_over(annotations: Mapping[str, str]) -> bool:
    """Whether the run that left these has ended: its process is gone, or it is far too old.

    A process of another machine cannot be looked at: for that one only age counts.
    """
    owner, expires = annotations.get(OWNER, ""), annotations.get(_EXPIRES, "")
    if not owner or not expires:
        return False  # not certainly ours
    try:
        if time.time() > float(expires):
            return True
        machine, pid, created = owner.rsplit(" ", 2)
        return machine == _machine() and not _runs(int(pid), created)
    except (ValueError, OverflowError):  # not as this version writes it: whose it is is not known
        return False


def _runs(pid: int, created: str) -> bool:
    try:
        return f"{psutil.Process(pid).create_time():.2f}" == created
    except psutil.NoSuchProcess:
        return False


def _machine() -> str:
    """This machine in this boot: process ids mean nothing elsewhere."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    booted = boot.read_text().strip() if boot.is_file() else f"{psutil.boot_time():.0f}"
    return f"{socket.gethostname()}/{booted}/{os.getuid()}"
