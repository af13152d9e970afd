"""What a machine lacks, named; and the trying leaves nothing."""

import os
from pathlib import Path

import pytest

from svcproof.clusters.embedded import state
from svcproof.components import kernel, preflight, rules
from svcproof.components.cgroups import inspect_cgroups
from svcproof.components.findings import Finding
from svcproof.components.preflight import check_kernel, check_machine, inspect_machine
from svcproof.errors import EnvironmentProblem

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try kernel features")


@pytest.fixture
def features(monkeypatch):
    found = [
        Finding("overlay file system", False, "No such device", "load overlay"),
        Finding("IPv6", False, "disabled", "boot without ipv6.disable=1", "ipv6"),
        Finding("iptables ip nat", False, "no", "load iptable_nat", "iptables"),
        Finding("veth devices", True),
    ]
    monkeypatch.setattr(preflight, "inspect_features", lambda: found)


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ({}, {"overlay file system", "iptables ip nat"}),
            ({"proxy_mode": "nftables"}, {"overlay file system"}),
            (
                {"proxy_mode": "nftables", "families": ("ipv4", "ipv6")},
                {"overlay file system", "IPv6"},
            ),
        ],
    )
    @pytest.mark.usefixtures("features")
    def test_only_what_such_a_cluster_needs(self, options, names):
        assert {finding.name for finding in check_kernel(**options)} == names

    @pytest.mark.usefixtures("features")
    def test_one_message_names_all_of_it(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(preflight, "inspect_machine", lambda _: [])
        with pytest.raises(EnvironmentProblem) as refusal:
            check_machine(3)
        assert "overlay file system is missing: No such device" in refusal.value.what
        assert "iptables ip nat is missing: no" in refusal.value.what
        assert refusal.value.remedy == "load overlay; load iptable_nat"

    def test_too_little_memory(self, monkeypatch):
        monkeypatch.setattr(preflight, "available_memory", lambda: 700 << 20)
        with pytest.raises(EnvironmentProblem, match=r"memory is missing: 0\.7 GiB available"):
            check_machine(3)

    def test_more_nodes_need_more_memory(self, monkeypatch):
        monkeypatch.setattr(preflight, "available_memory", lambda: 1500 << 20)
        found = {
            nodes: next(f for f in inspect_machine(nodes) if f.name == "memory").found
            for nodes in (1, 8)
        }
        assert found == {1: True, 8: False}

    def test_a_full_cache(self, monkeypatch):
        monkeypatch.setattr(preflight, "free_space", lambda _: 1 << 20)
        lacking = [finding.name for finding in inspect_machine() if not finding.found]
        assert {"room in cache", "room in /var/lib"} <= set(lacking)

    def test_clusters_are_where_they_are_looked_for(self):
        assert preflight.CLUSTERS == state.BASE


@as_root
class TestRealKernel:
    def test_nothing_is_left(self):
        def state():
            return (
                sorted(Path("/sys/class/net").glob("svcproof-*")),  # others make links, too
                Path("/proc/self/mounts").read_text(),
                Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").read_text(),
                {name: Path("/proc/self/ns", name).readlink() for name in ("net", "mnt", "uts")},
                [str(path) for path in Path("/sys/fs/cgroup").glob("**/svcproof-check*")],
            )

        before = state()
        check_kernel()
        assert state() == before

    def test_every_feature_has_a_name_of_its_own(self):
        names = [finding.name for finding in preflight.inspect_features()]
        assert len(names) == len(set(names))

    def test_a_namespace_that_is_refused_is_named(self, monkeypatch):
        real = kernel._unshare

        def refuse(flag):
            refused = flag == kernel._NAMESPACES["net"]
            return "Operation not permitted" if refused else real(flag)

        monkeypatch.setattr(kernel, "_unshare", refuse)
        lacking = [f for f in kernel.inspect_kernel() if not f.found]
        assert [str(f) for f in lacking] == ["net namespace is missing: Operation not permitted"]

    def test_a_device_that_cannot_be_made_is_named(self, monkeypatch):
        def refuse():
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(kernel, "add_veth_pair", refuse)
        (lacking,) = [f for f in kernel.inspect_kernel() if not f.found]
        assert "veth devices is missing: [Errno 95]" in str(lacking)
        assert "veth" in lacking.remedy

    def test_a_rule_the_kernel_does_not_know_is_named(self, monkeypatch):
        odd = {"odd match": "-A POSTROUTING -m svcproof-odd -j RETURN"}
        monkeypatch.setattr(rules, "_IPTABLES_RULES", odd)
        lacking = [f for f in kernel.inspect_kernel() if not f.found]
        assert {f.name for f in lacking} == {"iptables ip nat", "iptables ip6 nat"}
        assert all("odd match: " in f.detail for f in lacking)

    def test_a_failing_check_is_an_error_here_not_in_a_thread(self, monkeypatch):
        def broken():
            raise RuntimeError("broken")

        monkeypatch.setattr(kernel, "add_bridge", broken)
        with pytest.raises(RuntimeError, match="broken"):
            kernel.inspect_kernel()


class TestControlGroups:
    def test_version_2(self, tmp_path):
        (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        found = list(inspect_cgroups(tmp_path))
        assert all(finding.found for finding in found)
        assert found[0].detail == "version 2"

    def test_version_2_without_a_controller(self, tmp_path):
        (tmp_path / "cgroup.controllers").write_text("cpuset cpu pids\n")
        (lacking,) = [finding for finding in inspect_cgroups(tmp_path) if not finding.found]
        assert lacking.name == "cgroup controller memory"

    def test_version_1(self, tmp_path):
        for name in ("cpu", "cpuset", "memory", "pids"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "tasks").touch()
        found = list(inspect_cgroups(tmp_path))
        assert all(finding.found for finding in found)
        assert found[0].detail == "version 1"

    def test_none_at_all(self, tmp_path):
        assert not any(finding.found for finding in inspect_cgroups(tmp_path))
