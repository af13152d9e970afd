"""How each fault is planted under the default suites, and what a right statement must name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from svcproof.battery.objects import Names
from svcproof.faults import CATALOGUE, Fault, Scene, Undo
from svcproof.testing import packaged_manifests
from tests.faults.extra import DNS_DROPPED, FORWARD_DROPPED, PROXY_DEAD

__all__ = ["EXPERIMENTS", "PLANTINGS", "SUITES", "Planting"]

#: The suites' objects in the places of the battery's.
SUITES: Final = Names(
    web="hostname-svc-clusterip",
    web_app="webserver",
    web_deployment="hostname-deployment",
    web_port="hostname-svc-nodeport",
    web_local="lonely-svc-local",
    web_sticky="hostname-svc-affinity",
    web_headless="hostname-svc-headless",
    nobody="nobody-svc",
    alias="externalname-svc",
    lonely="lonely",
    other="other",
)

Changes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Planting:
    """One fault under the suites.

    ``when``: ``before`` the run starts, or when all its objects are ``ready`` and
    nothing has been measured. ``anchor`` is the Service that tells the suites'
    namespace from others. ``culprit``: a right statement contains one of these;
    ``{node}`` is where faults of one node are planted, ``{home}`` the node of the single
    Pod. ``prepare`` makes what the suites do not have. ``keep`` is a patch that has to be
    made again when a Service's spec is this, because a test changes it as well.
    ``steps_aside``: whoever applies the suites' objects would wait in vain for what is
    wrong in them, so it is healed meanwhile.
    """

    fault: Fault
    when: Literal["before", "ready"] = "ready"
    culprit: tuple[str, ...] = ("{node}",)
    names: Names = SUITES
    anchor: str = SUITES.web
    prepare: Callable[[Scene, Undo], None] | None = None
    keep: tuple[str, Callable[[Changes], Changes | None]] | None = None
    steps_aside: bool = False

    @property
    def slug(self) -> str:
        """The fault's."""
        return self.fault.slug


def _other_app(scene: Scene, undo: Undo) -> None:
    """Somebody else's app, as the battery has it: it answers with another run's name."""
    (other,) = (
        item
        for item in packaged_manifests("battery")
        if (item["kind"], item["metadata"]["name"]) == ("Deployment", scene.names.other)
    )
    scene.add(undo, other)
    scene.wait(
        "the app of somebody else",
        lambda snapshot: (
            ""
            if any(pod.ready for pod in snapshot.pods_matching({"app": scene.names.other}))
            else "not ready"
        ),
    )


def _other_app_of_the_team(scene: Scene, undo: Undo) -> None:
    """The same, and the label that it has in common is on the web app's Pods, too."""
    _other_app(scene, undo)
    for pod in scene.pods(scene.names.web_app):
        scene.patch(
            undo,
            "Pod",
            pod.name,
            {"metadata": {"labels": {"team": "shop"}}},
            back={"metadata": {"labels": {"team": None}}},
        )


def _no_affinity(spec: Changes) -> Changes | None:
    wrong = {"sessionAffinity": "None", "sessionAffinityConfig": None}
    return {"spec": wrong} if spec["sessionAffinity"] == "ClientIP" else None


def _short_affinity(spec: Changes) -> Changes | None:
    wrong = {"clientIP": {"timeoutSeconds": 1}}
    is_right = spec["sessionAffinity"] == "ClientIP" and spec["sessionAffinityConfig"] != wrong
    return {"spec": {"sessionAffinityConfig": wrong}} if is_right else None


_SHARES: Final = replace(SUITES, web="hostname-svc-shares")
#: Pods on every node behind policy Local: the case about sources asks these.
_LOCAL: Final = replace(SUITES, web_local="hostname-svc-local", lonely="webserver")


def _of(slug: str, **fields: Any) -> Planting:
    return Planting(fault=CATALOGUE[slug], **fields)


def _before(fault: Fault, **fields: Any) -> Planting:
    return Planting(fault=fault, when="before", **fields)


def _on_web(slug: str, *also: str, **fields: Any) -> Planting:
    return _of(slug, culprit=(SUITES.web, *also), steps_aside=True, **fields)


def _on_sticky(slug: str, **fields: Any) -> Planting:
    return _of(slug, culprit=(SUITES.web_sticky,), anchor=SUITES.web_sticky, **fields)


def _at_node(slug: str, service: str, **fields: Any) -> Planting:
    return _of(slug, culprit=("{node}", service), anchor=service, **fields)


_ALL: Final = (
    _on_web("selector-matches-nothing"),
    _on_web("selector-too-broad", prepare=_other_app_of_the_team),
    _on_web("wrong-target-port"),
    _of("listens-on-loopback", culprit=("hostname-deployment", "webserver"), steps_aside=True),
    _on_web(
        "not-ready-pod-served",
        "{node}",
        "hostname-deployment",
    ),
    _on_web("ready-pod-excluded", "{node}", "hostname-deployment", "kube-controller-manager"),
    _on_web("orphan-slice"),
    _before(CATALOGUE["proxy-frozen"]),
    # The node knew the Services before; from the start it is `proxy-dead`.
    _of("rules-wiped"),
    _at_node("node-port-closed", SUITES.web_port),
    _at_node("captured-by-host-port", SUITES.web, prepare=_other_app),
    _before(CATALOGUE["no-masquerade"]),
    _of("hairpin-broken", culprit=("{home}", "lonely"), anchor="lonely-svc-hairpin"),
    _before(CATALOGUE["forward-policy-drop"]),
    _at_node("local-leaks", SUITES.web_local),
    _of(
        "local-hides-the-client",
        culprit=("{home}", _LOCAL.web_local),
        names=_LOCAL,
        anchor=_LOCAL.web_local,
    ),
    _at_node("silence-for-refusal", SUITES.nobody),
    _at_node("refusal-for-silence", SUITES.web_local),
    _on_sticky("affinity-ignored", keep=(SUITES.web_sticky, _no_affinity), steps_aside=True),
    _on_sticky(
        "affinity-too-short",
        keep=(SUITES.web_sticky, _short_affinity),
        steps_aside=True,
    ),
    _on_sticky("clients-share-an-address"),
    _at_node("uneven-shares", _SHARES.web, names=_SHARES),
    _before(CATALOGUE["overlay-blocked"]),
    _before(CATALOGUE["node-dies"]),
    _before(CATALOGUE["packets-lost"]),
    _before(CATALOGUE["large-packets-lost"]),
    _before(CATALOGUE["dns-over-tcp-dropped"], culprit=("TCP",)),
    _before(CATALOGUE["no-record-is-no-name"]),
    _before(CATALOGUE["name-server-silent"], culprit=("coredns",)),
    _at_node("node-port-closed-beside", SUITES.web_port),
    _of(
        "external-name-wrong",
        culprit=(SUITES.alias,),
        anchor=SUITES.alias,
        steps_aside=True,
    ),
    _of("new-services-refused", culprit=("quota", "no-new-services"), anchor="chosen-svc"),
    _before(DNS_DROPPED),
    _before(FORWARD_DROPPED),
    _before(PROXY_DEAD),
)
#: Slug → the planting of each fault.
PLANTINGS: Final = MappingProxyType({each.slug: each for each in _ALL})


def _later(slug: str) -> Planting:
    return Planting(fault=replace(CATALOGUE[slug], slug=f"{slug}-later"))


#: The same for what is tried beside them.
EXPERIMENTS: Final = MappingProxyType({each.slug: each for each in (_later("proxy-frozen"),)})
