"""Beside other plugins: everybody keeps his names, and who does not use svcproof pays nothing."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

SUITE = """
import pytest

def test_theirs(request):
    assert request.config.pluginmanager.hasplugin("svcproof")

@pytest.mark.positions("pod")
@pytest.mark.targets("cluster-ip", "fqdn")
def test_ours(position, target, measure, judge):
    measure([(position, target)])
    judge()
"""


def fixtures_of(plugin: object) -> set[str]:
    found = set()
    for name, value in vars(plugin).items():
        if isinstance(value, FixtureFunctionDefinition):
            found.add(value.name or name)
    return found


def plugins() -> dict[str, object]:
    return {point.name: point.load() for point in entry_points(group="pytest11")}


def test_several_are_here():
    assert len(plugins()) > 5


def test_no_fixture_of_ours_has_a_name_of_another_plugin():
    everybody = plugins()
    ours = fixtures_of(everybody.pop("svcproof"))
    assert len(ours) > 10
    taken = {
        f"{name}: {fixture}"
        for name, plugin in everybody.items()
        for fixture in fixtures_of(plugin) & ours
    }
    assert not taken


def test_every_option_of_ours_says_whose_it_is(pytestconfig):
    (group,) = (g for g in pytestconfig._parser._groups if g.name == "svcproof")
    names = [name for option in group.options for name in option.names()]
    assert len(names) > 10
    assert all(name.startswith("--svc-") for name in names)


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "with workers"])
def test_a_suite_runs_with_all_of_them(pytester, workers):
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess(
        "--svc-cluster=fake", "--timeout=60", "--html=report.html", *workers
    )
    result.assert_outcomes(passed=7)
    assert (pytester.path / "report.html").stat().st_size > 1000


def test_a_project_that_does_not_use_it_pays_nothing(pytester):
    pytester.makepyfile("""
        import sys

        def test_mine():
            used = {"svcproof.clusters.automatic", "scipy", "numpy", "pyroute2"} & set(sys.modules)
            assert not used, used
    """)
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1)
    assert not (pytester.path / ".svcproof").exists()
    assert "svcproof" not in result.stdout.str()
