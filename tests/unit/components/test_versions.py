"""Which Kubernetes versions there are, and what a user may call them."""

import re

import pytest

from svcproof.components.sources import COMPONENTS
from svcproof.components.versions import DEFAULT_KUBERNETES, minors, resolve
from svcproof.errors import UsageError


def test_the_minors_are_in_order_of_number():
    assert minors()[:3] == ("1.35", "1.36", "1.37")


@pytest.mark.parametrize("form", ["{minor}", "v{minor}", "{patch}", "v{patch}", " {minor} "])
def test_every_form_means_the_pinned_patch(form):
    known = resolve("1.36")
    text = form.format(minor=known.minor, patch=known.patch)
    assert resolve(text) == known


@pytest.mark.parametrize("wrong", ["1.20", "1.36.999", "", "latest", "1.3"])
def test_another_version_is_refused_and_the_valid_ones_are_listed(wrong):
    with pytest.raises(UsageError) as refusal:
        resolve(wrong)
    assert all(minor in refusal.value.what for minor in minors())
    assert repr(wrong) in refusal.value.what


def test_the_module_at_the_top_is_the_default_minor():
    top = (COMPONENTS / "go.mod").read_text()
    assert top == resolve(DEFAULT_KUBERNETES).modfile.read_text()


@pytest.mark.parametrize("minor", minors())
class TestEachModule:
    def test_it_pins_a_patch_of_its_minor(self, minor):
        assert re.fullmatch(rf"{re.escape(minor)}\.\d+", resolve(minor).patch)

    def test_its_checksums_are_there(self, minor):
        sums = resolve(minor).modfile.with_name("go.sum").read_text()
        assert f"k8s.io/kubernetes v{resolve(minor).patch} h1:" in sums

    def test_it_pins_every_program(self, minor):
        pinned = resolve(minor).pins()
        assert set(pinned) == {"kubernetes", "etcd", "containerd", "cni-plugins", "coredns"}

    def test_the_staging_modules_are_of_the_same_release(self, minor):
        text = resolve(minor).modfile.read_text()
        staged = set(re.findall(r"=> k8s\.io/\S+ v0\.(\S+)", text))
        assert staged == {resolve(minor).patch.removeprefix("1.")}
