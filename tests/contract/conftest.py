"""Side by side with ``-n 2 --dist loadgroup``: who shares something keeps to one worker.

Each cluster of its own has addresses, names and files of its own, so a worker's do not
trouble another's (:mod:`tests.contract.embedded.machine` tells whose is what).
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: Directory or file → what its tests share; the others are anybody's.
GROUPS = {
    "test_cluster.py": "the session's cluster",
    "existing": "the session's cluster",
    "kind": "the session's cluster",
    "embedded": "clusters of their own",
    "test_component_builds.py": "builds",
    "test_report.py": "a browser",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            group = GROUPS.get(item.path.relative_to(HERE).parts[0])
            if group is not None:
                item.add_marker(pytest.mark.xdist_group(group))
