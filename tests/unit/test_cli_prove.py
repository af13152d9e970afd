"""`svcproof prove` before it has a cluster."""

import msgspec
import pytest
from click.testing import CliRunner

from svcproof.cli.prove import prove
from svcproof.errors import BadHistory, UsageError
from svcproof.faults import CATALOGUE
from svcproof.matrix import SCHEMA, CheckLine, Matrix
from svcproof.results import ClusterLine


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


def report(path, schema: int = SCHEMA):
    cluster = ClusterLine(
        name="c",
        kind="embedded",
        kubernetes_version="1.36.4",
        proxy_mode="nftables",
        families=("ipv4",),
        nodes=3,
    )
    matrix = Matrix(
        schema=schema,
        svcproof="0",
        run="r1",
        cluster=cluster,
        home="node-1",
        node="node-3",
        topics=(),
        faults=(),
        checks=(CheckLine(check="latency", due=("rain",), found=("rain",)),),
        seconds=1.0,
        complete=True,
    )
    path.write_bytes(msgspec.json.encode(matrix))
    return str(path)


def test_saved_reports_are_tabulated_together(tmp_path):
    saved = [report(tmp_path / "a.json"), report(tmp_path / "b.json")]
    result = CliRunner().invoke(prove, ["--tabulate", saved[0], "--tabulate", saved[1]])
    assert result.exit_code == 0
    assert "| latency | rain | 2 of 2 |  |  |" in result.output.splitlines()


def test_a_report_of_another_version_is_refused(tmp_path):
    with pytest.raises(BadHistory, match=f"format version 1; this svcproof reads {SCHEMA}"):
        CliRunner().invoke(
            prove, ["--tabulate", report(tmp_path / "a.json", 1)], catch_exceptions=False
        )


def test_what_is_no_report_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(BadHistory, match=r"a\.json: not a report of svcproof prove"):
        CliRunner().invoke(prove, ["--tabulate", str(tmp_path / "a.json")], catch_exceptions=False)
