"""Side by side with ``-n 2``: tests that share something keep to one worker.

Each cluster of its own has addresses, names and files of its own, so a worker's do not
trouble another's (:mod:`tests.contract.embedded.machine` knows whose is what).
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent
#: Directory or file → what its tests share; any other test is alone.
GROUPS = {
    "test_cluster.py": "the session's cluster",
    "existing": "the session's cluster",
    "kind": "the session's cluster",
    "embedded": "clusters of their own",
    "test_component_builds.py": "builds",
    "test_report.py": "a browser",
}


def group_of(nodeid: str) -> str:
    """What is scheduled as one: a group, or a test."""
    parts = PurePath(nodeid.partition("::")[0]).parts
    if parts[:2] == ("tests", "contract"):
        return GROUPS.get(parts[2], nodeid)
    return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # With pytest 9.2, pytest-xdist 3.8 no longer sees the groups of its own mark.
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What freezes an API server comes last, for others use the same one.
    items.sort(
        key=lambda item: (
            item.path.is_relative_to(HERE) and item.get_closest_marker("svc_slow") is not None
        )
    )
