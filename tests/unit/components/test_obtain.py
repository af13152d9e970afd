"""The order of the places, and what is said when a place does not do."""

from importlib import import_module

import pytest

from svcproof.components import build as building
from svcproof.components.installed import Installed
from svcproof.components.obtain import obtain
from svcproof.components.recipe import Target, host_architecture
from svcproof.errors import ComponentsUnavailable, UsageError


@pytest.fixture
def target():
    return Target.of("1.36", host_architecture())


@pytest.fixture
def no_build(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing should be built")

    monkeypatch.setattr(building, "build", refuse)


@pytest.mark.usefixtures("no_build")
class TestDirectory:
    def test_a_complete_one_is_taken(self, tmp_path, target, fake_components, cache):
        directory = fake_components(tmp_path / "mine", target)
        found = obtain("1.36", directory=directory)
        assert (found.source, found.directory, found.key) == ("directory", directory, target.key)
        assert found.kubernetes_version == target.version.patch
        assert not cache.exists()

    def test_each_missing_program_is_named_and_nothing_is_created(
        self, tmp_path, target, fake_components, cache
    ):
        directory = fake_components(tmp_path / "mine", target, without=("kube", "ptp"))
        with pytest.raises(ComponentsUnavailable) as refusal:
            obtain("1.36", directory=directory)
        assert f"{directory} lacks kube, ptp" in refusal.value.what
        assert "svcproof components build" in refusal.value.remedy
        assert not cache.exists()

    def test_one_of_another_minor_is_refused(self, tmp_path, fake_components):
        other = Target.of("1.35", host_architecture())
        directory = fake_components(tmp_path / "mine", other)
        with pytest.raises(
            ComponentsUnavailable, match=r"is Kubernetes 1\.35\.\d+ .* wanted is 1\.36"
        ):
            obtain("1.36", directory=directory)

    def test_one_without_a_record_is_believed(self, tmp_path, target, fake_components):
        directory = fake_components(tmp_path / "mine", target)
        (directory / "components.json").unlink()
        assert obtain("1.36", directory=directory).key == ""


@pytest.mark.usefixtures("no_build")
class TestFinding:
    def test_the_cache_is_used(self, cache, target, fake_components):
        fake_components(cache / "components" / target.key, target)
        found = obtain("1.36")
        assert (found.source, found.key) == ("cache", target.key)

    def test_an_installed_wheel_comes_before_the_cache(
        self, tmp_path, cache, target, fake_components, monkeypatch
    ):
        fake_components(cache / "components" / target.key, target)
        wheel = fake_components(tmp_path / "site", target)
        installed = Installed(wheel, "1.36.4.post100", target.key, "")
        monkeypatch.setattr("svcproof.components.installed.installed", lambda _: installed)
        found = obtain("1.36")
        assert (found.source, found.directory) == ("wheel", wheel)

    def test_an_installed_wheel_of_another_key_is_passed_over(
        self, tmp_path, cache, target, fake_components, monkeypatch
    ):
        fake_components(cache / "components" / target.key, target)
        installed = Installed(tmp_path, "1.36.4.post99", "other", "its key is other")
        monkeypatch.setattr("svcproof.components.installed.installed", lambda _: installed)
        assert obtain("1.36").source == "cache"

    def test_an_unknown_version_creates_nothing(self, cache):
        with pytest.raises(UsageError):
            obtain("1.20")
        assert not cache.exists()


class TestBuilding:
    def test_its_progress_is_over_when_it_fails(self, monkeypatch, recording):
        def fail(*_, **__):
            raise ComponentsUnavailable("no")

        monkeypatch.setattr(building, "build", fail)
        with pytest.raises(ComponentsUnavailable):
            obtain("1.36", progress=recording)
        assert recording.phases == ["finished"]

    @pytest.fixture
    def built(self, monkeypatch, fake_components):
        calls = []

        def build(target, destination, **_):
            calls.append(target.key)
            fake_components(destination, target)

        monkeypatch.setattr(building, "build", build)
        return calls

    def test_once_and_then_found(self, target, built):
        assert obtain("1.36").source == "build"
        assert obtain("1.36").source == "cache"
        assert built == [target.key]

    def test_another_process_may_have_built_it_while_we_waited(self, built, monkeypatch):
        answers = iter([False, False, True])
        module = import_module("svcproof.components.obtain")
        monkeypatch.setattr(module, "is_cached", lambda _: next(answers))
        assert obtain("1.36").source == "cache"
        assert built == []
