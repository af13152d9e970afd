"""Whatever objects the API server's types allow, in a cluster or in a file: nothing but svcproof's
own errors comes of it. More examples: ``--hypothesis-profile svcproof-deep``."""

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from svcproof.clusters import objects
from svcproof.clusters.existing.data_plane import recognised
from svcproof.clusters.existing.fitting import Fitting
from svcproof.clusters.existing.sampling import select
from svcproof.drift import drift
from svcproof.errors import SvcproofError, UsageError
from svcproof.expect import promise
from svcproof.history import Position
from svcproof.manifest_files import load, of_run
from svcproof.places import DialledForm, TargetSpec, resolve_target
from svcproof.profiles import profile_of
from svcproof.questions import health_check_target, name_target
from svcproof.snapshot import Snapshot
from svcproof.workloads import lacking, straggler, unpullable
from tests.unit.kubernetes_types import JSON, kubernetes_object

WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet", "ReplicationController")
OTHERS = ("Service", "Pod", "Job", "CronJob", "PodDisruptionBudget", "ConfigMap")
FAMILIES = ("ipv4", "ipv6")


def some(kind: str) -> st.SearchStrategy[list[Any]]:
    return st.lists(kubernetes_object(kind), min_size=1, max_size=2)


#: What four lists of the API server hold.
CLUSTERS = st.builds(
    lambda nodes, pods, services, slices: Snapshot(
        nodes=tuple(map(objects.node, nodes)),
        pods=tuple(map(objects.pod, pods)),
        services=tuple(map(objects.service, services)),
        slices=tuple(map(objects.endpoint_slice, slices)),
    ),
    some("V1Node"),
    some("V1Pod"),
    some("V1Service"),
    some("V1EndpointSlice"),
)
PODS_AND_SERVICES = st.builds(
    lambda pods, services: Snapshot(
        (), tuple(map(objects.pod, pods)), tuple(map(objects.service, services)), ()
    ),
    some("V1Pod"),
    some("V1Service"),
)
MANIFESTS = st.lists(
    st.sampled_from((*WORKLOADS, *OTHERS)).flatmap(lambda kind: kubernetes_object(f"V1{kind}")),
    min_size=1,
    max_size=2,
)


@dataclass
class Text:
    """A file in memory."""

    text: str

    def read_text(self) -> str:
        return self.text

    def __str__(self) -> str:
        return "objects.yaml"


@given(CLUSTERS)
def test_every_cluster_is_read_and_promised_something(snapshot):
    assert isinstance(select(snapshot.nodes).coverage, str)
    unpullable(snapshot)
    positions = [
        Position(name="a", kind=kind, node=node, pod="a", addresses=("10.0.0.1", "fd00::1"))
        for kind, node in (("pod", "a"), ("host-network", "b"), ("outside", ""))
    ]
    for service, family in product(snapshot.services, FAMILIES):
        for form, position in product(get_args(DialledForm), positions):
            with suppress(SvcproofError):
                target = resolve_target(TargetSpec(form, family, "a"), service, snapshot)
                asked(snapshot, position, target)
        for query in ("A", "AAAA", "CNAME"):
            with suppress(SvcproofError):
                asked(snapshot, positions[0], name_target(service, query))
        for port in service.ports:
            with suppress(SvcproofError):
                target = name_target(service, "SRV", port_name=port.name)
                asked(snapshot, positions[0], target)
        with suppress(SvcproofError):
            asked(snapshot, positions[2], health_check_target(service, "a", "10.0.0.1"))


def asked(snapshot, position, target):
    for mode in ("iptables", "unknown"):
        promise(snapshot, position, target, run="r", profile=profile_of(mode))


@given(MANIFESTS, PODS_AND_SERVICES)
def test_every_file_is_taken_or_refused_in_words(manifests, snapshot):
    try:
        taken = of_run(load(Text("\n---\n".join(map(json.dumps, manifests)))), "r")
    except UsageError:
        return
    lacking(taken, snapshot)
    straggler(taken, snapshot)
    fitting = Fitting(carrier="shell:1", parts={"amd64": ["p"]}, nodes=["a"])
    for manifest in taken:
        fitting.fit(manifest)
        if manifest["kind"] == "Service":
            for service in snapshot.services:
                list(drift(manifest, service))


@given(st.lists(kubernetes_object("V1DaemonSet"), max_size=2), st.sampled_from(["kube-proxy", ""]))
def test_every_data_plane_has_a_name(sets, name):
    named = [{**each, "metadata": {**each["metadata"], "name": name}} for each in sets]
    assert recognised(named, {}).name


@given(st.sampled_from([*WORKLOADS, *OTHERS]), JSON, JSON)
def test_what_is_no_object_at_all_is_refused_in_words(kind, spec, metadata):
    document = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
    with suppress(UsageError):
        taken = of_run(load(Text(json.dumps(document))), "r")
        lacking(taken, Snapshot((), (), (), ()))


@given(st.text())
def test_every_text_is_taken_or_refused_in_words(text):
    with suppress(UsageError):
        load(Text(text))
