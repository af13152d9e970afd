"""``svcproof components`` and ``svcproof doctor`` as a user types them."""

import json

import pytest
from click.testing import CliRunner

from svcproof.cli.components import components
from svcproof.cli.doctor import doctor
from svcproof.components import diagnosis
from svcproof.components.findings import Finding
from svcproof.components.recipe import Target, host_architecture
from svcproof.errors import ComponentsUnavailable, UsageError


@pytest.fixture
def run():
    def run(command, *arguments):
        return CliRunner().invoke(command, arguments)

    return run


@pytest.fixture
def cached(cache, fake_components):
    target = Target.of("1.36", host_architecture())
    return fake_components(cache / "components" / target.key, target)


class TestComponents:
    def test_path(self, run, cached):
        assert run(components, "path").output == f"{cached}\n"

    def test_path_of_what_is_not_built(self, run):
        error = run(components, "path", "--k8s-version", "1.35").exception
        assert isinstance(error, ComponentsUnavailable)
        assert error.remedy == "svcproof components build --k8s-version 1.35"

    def test_build_of_what_is_there(self, run, cached):
        assert run(components, "build").output == f"{cached}\n"

    def test_list(self, run, cached):
        lines = run(components, "list").output.splitlines()
        assert len(lines) == 1 + 3
        assert f"cache: {cached}" in next(line for line in lines if line.startswith("1.36"))
        assert "not built" in next(line for line in lines if line.startswith("1.37"))

    def test_an_unknown_architecture(self, run):
        assert isinstance(run(components, "wheel", "--arch", "mips").exception, UsageError)


class TestDoctor:
    @pytest.fixture
    def examined(self, monkeypatch):
        def say(*findings):
            monkeypatch.setattr(diagnosis, "examine", lambda: {"machine": list(findings)})

        return say

    def test_all_there(self, run, examined):
        examined(Finding("root", True, "user 0"))
        result = run(doctor)
        assert result.exit_code == 0
        assert "✓  root" in result.output

    def test_a_missing_one_has_its_remedy_and_the_exit_code_tells(self, run, examined):
        examined(Finding("root", False, "user 7", "run with sudo"))
        result = run(doctor)
        assert result.exit_code == 4
        assert "✗  root" in result.output
        assert "→ run with sudo" in result.output
        assert "missing: root" in result.output

    def test_what_only_an_option_needs_is_no_failure(self, run, examined):
        examined(Finding("IPv6", False, "disabled", "boot otherwise", "ipv6"))
        result = run(doctor)
        assert result.exit_code == 0
        assert "–  IPv6" in result.output

    def test_json(self, run, examined):
        examined(Finding("root", False, "user 7", "run with sudo"))
        result = run(doctor, "--json")
        report = json.loads(result.output)
        assert result.exit_code == 4
        assert report["ready"] is False
        assert report["findings"]["machine"][0] == {
            "name": "root",
            "found": False,
            "required": True,
            "detail": "user 7",
            "remedy": "run with sudo",
            "needed_for": "",
        }

    def test_the_real_one_looks_at_everything(self, cached):
        groups = diagnosis.examine()
        assert list(groups) == ["machine", "kernel", "system tools", "components"]
        names = {finding.name for group in groups.values() for finding in group}
        assert {"root", "memory", "runc", "nft", "Go"} <= names
        (found,) = [f for f in groups["components"] if f.name.startswith("Kubernetes 1.36")]
        assert found.found

    def test_every_missing_thing_has_a_remedy(self):
        findings = [finding for group in diagnosis.examine().values() for finding in group]
        assert all(finding.remedy for finding in findings if not finding.found)
