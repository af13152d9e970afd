"""`svcproof prove` before it has a cluster."""

import pytest
from click.testing import CliRunner

from svcproof.cli.prove import prove
from svcproof.errors import UsageError
from svcproof.faults import CATALOGUE


def test_the_faults_are_listed():
    result = CliRunner().invoke(prove, ["--list"])
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.output.splitlines()] == list(CATALOGUE)


def test_only_those_that_are_wanted():
    result = CliRunner().invoke(prove, ["--list", "--only", "node-dies, proxy-frozen"])
    assert [line.split()[0] for line in result.output.splitlines()] == ["59", "10"]


def test_an_unknown_fault_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no fault rain; there are: selector-matches-nothing, "):
        CliRunner().invoke(prove, ["--only", "rain"], catch_exceptions=False)


def test_an_unknown_proxy_mode_is_refused_before_a_cluster_is_started():
    with pytest.raises(UsageError, match="valid: iptables, nftables"):
        CliRunner().invoke(prove, ["--proxy-mode", "ipvs"], catch_exceptions=False)
