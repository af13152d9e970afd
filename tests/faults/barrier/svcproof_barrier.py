"""A pytest plugin: says where a run is, and waits there until it may go on.

Loaded with ``-p svcproof_barrier`` into any version of svcproof, so it knows nothing
of it but the name of a fixture. ``SVCPROOF_BARRIER`` is the Unix socket of who is
told: a line of JSON for each moment, answered by a line. With ``SVCPROOF_BARRIER_AWAITS``
the apps of all modules are waited for before the first measurement.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Generator
from typing import Any

import pytest

#: The fixture that applies a module's objects, and waits until they are ready.
APPLIES = "echo_app"


def reached(moment: str) -> None:
    """Tell, and wait for the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["SVCPROOF_BARRIER"])
        connection.sendall(json.dumps({"moment": moment}).encode() + b"\n")
        connection.recv(1)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """The kept cluster has been joined."""
    reached("joined")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Generator[None, Any, Any]:
    """A module's objects are applied, which changes back what was changed in them."""
    if fixturedef.argname != APPLIES or _State.awaited:
        return (yield)
    reached("applying")
    try:
        return (yield)
    finally:
        reached("applied")


class _State:
    measures = False
    awaited = False  #: all apps have been waited for: none is applied again


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """The first case is about to measure."""
    if not _State.measures:
        _State.measures = True
        _await_apps(item)
        reached("measuring")


def _await_apps(item: pytest.Item) -> None:
    """Where modules wait for their apps beside each other, all have found them as they should be
    before anything is changed in them."""
    suite = getattr(item, "funcargs", {}).get("suite")
    if suite is not None and os.environ.get("SVCPROOF_BARRIER_AWAITS"):
        _State.awaited = True
        for module in suite.apps:
            with contextlib.suppress(Exception):  # the module's own cases will say so
                suite.ready(module)
