"""Where a guest's Pods may run, and what they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.clusters import objects
from svcproof.clusters.existing.fitting import Fitting
from svcproof.clusters.existing.preflight import _chosen
from svcproof.clusters.existing.sampling import select
from svcproof.clusters.options import cluster_options
from svcproof.clusters.placing import Placing, Toleration, node_labels, quantities, tolerations
from svcproof.errors import UsageError
from svcproof.manifest_files import packaged_manifests

DB = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def item(*taints, labels=None, **spec) -> dict:
    return {
        "metadata": {"name": "n", "labels": labels},
        "spec": {"taints": list(taints), **spec},
        "status": {
            "nodeInfo": {"kubeletVersion": "v1"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@pytest.mark.parametrize(
    ("text", "is_tolerated"),
    [
        ("", False),
        ("dedicated", True),
        ("dedicated=db", True),
        ("dedicated=db:NoSchedule", True),
        ("dedicated:NoSchedule", True),
        ("other, dedicated", True),
        ("dedicated=", False),
        ("dedicated=web", False),
        ("dedicated=db:NoExecute", False),
        ("dedicate", False),
    ],
)
def test_a_tainted_node_is_measured_where_its_taint_is_tolerated(text, is_tolerated):
    node = objects.node(item(DB), tolerations(text))
    assert node.schedulable is is_tolerated
    assert node.repels == ("" if is_tolerated else "tainted dedicated=db:NoSchedule")
    chosen = select([node])
    assert bool(chosen.nodes) is is_tolerated
    assert (chosen.left_out == ()) is is_tolerated


def test_each_taint_has_to_be_tolerated():
    both = item(DB, {"key": "gpu", "effect": "NoExecute"})
    assert objects.node(both, tolerations("dedicated")).repels == "tainted gpu:NoExecute"
    assert objects.node(both, tolerations("dedicated,gpu")).schedulable


def test_a_cordoned_node_is_one_with_a_taint_as_for_the_scheduler():
    assert objects.node(item(unschedulable=True)).repels == "cordoned"
    taken = tolerations("node.kubernetes.io/unschedulable")
    assert objects.node(item(unschedulable=True), taken).schedulable


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"pool": "a", "disk": "ssd", "x": "y"}, ""),
        ({"pool": "a"}, "not chosen by --svc-node-selector pool=a,disk=ssd"),
        (None, "not chosen by --svc-node-selector pool=a,disk=ssd"),
    ],
)
def test_only_nodes_with_all_labels_are_chosen(labels, reason):
    placing = Placing(node_labels=node_labels("pool=a, disk=ssd"))
    node = _chosen(item(labels=labels), placing)
    assert node.unfit == reason
    assert select([node]).left_out == (((node.name, reason),) if reason else ())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tolerate": "a:Never"}, "effect 'Never' is unknown; valid: NoSchedule, PreferNoSchedule"),
        ({"tolerate": "a="}, None),
        ({"tolerate": "=a"}, r"KEY\[=VALUE\]\[:EFFECT\], as in dedicated=db:NoSchedule"),
        ({"tolerate": "a b"}, "toleration 'a b' will not do"),
        ({"node_selector": "pool"}, "node selector: 'pool' is no KEY=VALUE, as in pool=workers"),
        ({"node_selector": "pool=a b"}, "pool=a b is no label of a node"),
        ({"requests": "cpus=1"}, "resource 'cpus' is unknown; valid: cpu, memory, ephemeral"),
        ({"requests": "cpu"}, "requests: 'cpu' is no KEY=VALUE, as in cpu=100m,memory=64Mi"),
        ({"limits": "memory=64MB"}, "limits: memory=64MB is no quantity above zero; valid: num"),
        ({"limits": "cpu=0"}, "cpu=0 is no quantity above zero"),
        ({"limits": "cpu=-1"}, "cpu=-1 is no quantity"),
        ({"limits": "cpu=0.5,memory=1Gi"}, None),
    ],
)
def test_what_comes_in_is_checked_with_what_is_valid(wrong, message):
    if message is None:
        assert cluster_options(**wrong).existing.placing != Placing()
        return
    with pytest.raises(UsageError, match=message):
        cluster_options(**wrong)


@given(*[st.text(alphabet="ab=:,/ .-1", max_size=8)] * 4)
def test_every_text_is_taken_or_refused_in_words(tolerate, selector, requests, limits):
    wanted = {
        "tolerate": tolerate,
        "node_selector": selector,
        "requests": requests,
        "limits": limits,
    }
    try:
        placing = cluster_options(**wanted).existing.placing
    except UsageError:
        return
    objects.node(item(DB), placing.tolerations)


PLACING = Placing(
    tolerations=(Toleration("dedicated", "db", "NoSchedule"), Toleration("gpu")),
    requests=quantities("requests", "memory=32Mi"),
    limits=quantities("limits", "cpu=50m,memory=64Mi"),
)


@pytest.mark.parametrize("stem", ["clients", "webserver", "terminating"])
@pytest.mark.parametrize("image", ["mine:1", ""])
def test_clients_and_apps_are_placed_alike(stem, image):
    """Whatever the manifests asked for: no container may ask for more than its limit."""
    fitting = Fitting(image=image, carrier="shell:1", parts={}, placing=PLACING)
    for manifest in packaged_manifests(stem):
        if manifest["kind"] == "Service":
            continue
        pod = fitting.fit(manifest)["spec"]["template"]["spec"]
        assert pod["tolerations"][-2:] == [
            {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
            {"key": "gpu", "operator": "Exists"},
        ]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            resources = container["resources"]
            assert resources["limits"] == {"cpu": "50m", "memory": "64Mi"}
            assert resources["requests"] == {"memory": "32Mi"}


def test_what_the_manifests_ask_for_stays_where_nothing_else_is_said():
    asked = Fitting(image="mine:1", placing=Placing(requests={"memory": "32Mi"}))
    for manifest in packaged_manifests("clients"):
        (container,) = asked.fit(manifest)["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "100m", "memory": "32Mi"}
        (container,) = Fitting(image="m").fit(manifest)["spec"]["template"]["spec"]["containers"]
        assert container["resources"] == {"requests": {"cpu": "100m"}}
