"""Reading manifests, and marking what a run applies as its own."""

from __future__ import annotations

import copy
import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from svcproof.errors import UsageError
from svcproof.manifest_shapes import checked

__all__ = [
    "CLIENT_LABEL",
    "NO_NODE_PORTS",
    "RUN_LABEL",
    "load",
    "of_run",
    "packaged_manifests",
    "patched",
    "pod_templates",
    "without_node_ports",
]

#: On every object that a run applies, and on its Pods, which answer with its value.
RUN_LABEL: Final = "svcproof.dev/run"
#: On client Pods: the kind of position that they are.
CLIENT_LABEL: Final = "svcproof.dev/client"
#: On a Service that was refused with node ports: the API server's words.
NO_NODE_PORTS: Final = "svcproof.dev/no-node-ports"


def packaged_manifests(stem: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of the manifest file of that stem which svcproof brings along; none without."""
    path = files("svcproof") / "manifests" / f"{stem}.yaml"
    return load(path) if path.is_file() else ()


def load(path: Traversable) -> tuple[Mapping[str, Any], ...]:
    """All objects of a YAML file, as ``kubectl apply -f`` takes them.

    Lists are taken apart, empty documents and Namespaces (a run has its own) left out. Of an
    object that was exported, what only the API server writes is left out, and so is the
    namespace it came from. What was exported together with the controller that made it (the Pods of
    a Deployment, the EndpointSlices of a Service) is made anew by that.

    Raises :class:`~svcproof.errors.UsageError` with the line where something is no object.
    """
    found: list[Mapping[str, Any]] = []
    homes: dict[tuple[str, str], str] = {}
    for line, document in _documents(path):
        where = f"manifest {path}, line {line}"
        for item in _objects(_as_json(document, where), where):
            kind, name = item["kind"], item["metadata"]["name"]
            home = str(item["metadata"].get("namespace", ""))
            if homes.setdefault((kind, name), home) != home:
                raise UsageError(
                    f"{where}: {kind} {name} is in this file for namespace {home or '(none)'} and "
                    f"for {homes[kind, name] or '(none)'}: a run has one namespace for all objects",
                    remedy="give one of them another name, or each namespace a file of its own",
                )
            if kind != "Namespace" and not _is_made_by_another(item):
                found.append(_own(item))
    if not found:
        raise UsageError(f"manifest {path}: it has no objects")
    return tuple(found)


def _is_made_by_another(item: Mapping[str, Any]) -> bool:
    owners = item["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") for owner in owners)


def _documents(path: Traversable) -> Iterator[tuple[int, Any]]:
    """Each document that is not empty, and the line where it begins."""
    import yaml

    try:
        text = re.sub("^\ufeff", "", path.read_text(), flags=re.MULTILINE)
        if text.lstrip().startswith("{"):
            with suppress(json.JSONDecodeError):  # YAML may begin like that, too
                yield from list(_json_documents(text))
                return
        loader = _loader()(text)
        while loader.check_node():
            node = loader.get_node()
            document = loader.construct_document(node)
            if document is not None:
                yield node.start_mark.line + 1, document
    except (OSError, yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        raise UsageError(f"manifest {path}: {error}") from error


def _json_documents(text: str) -> Iterator[tuple[int, Any]]:
    """JSON as ``kubectl get -o json`` writes it, several after one another."""
    at, decoder = 0, json.JSONDecoder()
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        line = text.count("\n", 0, at) + 1
        document, at = decoder.raw_decode(text, at)
        yield line, document


@cache
def _loader() -> Any:
    """Reads YAML as Go does: 2026-01-01, 22:22 and = are text, not a date, a number of base 60 and
    a default, y is true, 3.0 is 3, and no key is there twice."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag not in _RESOLVED]
        for first, found in base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self: Any, node: Any, *, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return base.construct_mapping(self, node, deep=deep)

    loader: Any = type(
        "Loader",
        (base,),
        {
            "yaml_implicit_resolvers": resolvers,
            "construct_mapping": construct_mapping,
            "bool_values": {**base.bool_values, "y": True, "n": False},
        },
    )

    def construct_float(self: Any, node: Any) -> float:
        number: float = base.construct_yaml_float(self, node)
        return int(number) if number.is_integer() else number

    loader.add_constructor("tag:yaml.org,2002:float", construct_float)
    loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), [*"yYnN"])
    for kind, pattern, first in (("int", _INTEGER, "-+"), ("float", _FLOAT, "-+.")):
        tag = f"tag:yaml.org,2002:{kind}"
        loader.add_implicit_resolver(tag, re.compile(pattern), [*first, *string.digits])
    return loader


_RESOLVED: Final = tuple(
    f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float", "value")
)
_INTEGER: Final = r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"
_FLOAT: Final = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"


def _as_json(document: Any, where: str) -> Any:
    """The same as the API server will get it: keys are text, and some of YAML's values are none."""
    try:
        return json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: JSON, which the API server takes, cannot say this: {error}",
            remedy="put it in quotes if it is meant as text",
        ) from error


def _objects(document: Any, where: str) -> Iterator[Mapping[str, Any]]:
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind == "List" and "items" in document and document["items"] is None:
        return
    if kind == "List" and not isinstance(document.get("items"), list):
        raise UsageError(
            f"{where}: a List without items",
            remedy="put its objects under `items:`, or write them as documents of their own",
        )
    if isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"]):
            # The items of a ServiceList need not say what they are.
            inferred = {"kind": kind.removesuffix("List")} if kind != "List" else {}
            said = {"apiVersion": document.get("apiVersion"), **inferred}
            whole = {**said, **item} if isinstance(item, dict) else item
            yield from _objects(whole, f"{where}, item {number + 1}")
        return
    yield checked(document, where)


#: What the API server writes, and what belongs to the place that an object was exported from.
_SERVERS: Final = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
#: What the Job controller gives each Job and its Pods, and takes from nobody else.
_JOBS: Final = ("batch.kubernetes.io/controller-uid", "controller-uid")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def _own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object without what it only has where it came from."""
    item = {name: value for name, value in document.items() if name != "status"}
    item["metadata"] = {
        name: value for name, value in document["metadata"].items() if name not in _SERVERS
    }
    annotations = item["metadata"].get("annotations") or {}
    if _LAST_APPLIED in annotations:
        item["metadata"]["annotations"] = {
            name: value for name, value in annotations.items() if name != _LAST_APPLIED
        }
    spec = document.get("spec") or {}
    if item["kind"] == "Service" and "uid" in document["metadata"]:
        # Of an exported one they are taken; a headless one says None.
        allotted = [
            name for name in ("clusterIP", "clusterIPs") if "None" not in str(spec.get(name))
        ]
        item["spec"] = {name: value for name, value in spec.items() if name not in allotted}
    if item["kind"] == "Job" and "uid" in document["metadata"]:
        item["spec"] = {name: value for name, value in spec.items() if name != "selector"}
        item = copy.deepcopy(item)
        for labelled in (item, *pod_templates(item)):
            for name in _JOBS:
                ((labelled.get("metadata") or {}).get("labels") or {}).pop(name, None)
    return item


#: What Pods need to start: a Pod without its ServiceAccount is refused.
_FIRST: Final = (
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "LimitRange",
    "ResourceQuota",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
)


def of_run(manifests: Sequence[Mapping[str, Any]], run: str) -> tuple[Mapping[str, Any], ...]:
    """The same manifests with the run's label on the objects and on their Pods; first those that
    Pods need to start, else in their order.

    Raises :class:`~svcproof.errors.UsageError` for what is no object.
    """
    marked = [_labelled(manifest, run) for manifest in manifests]
    return tuple(sorted(marked, key=lambda item: item["kind"] not in _FIRST))


def _labelled(manifest: Mapping[str, Any], run: str) -> Mapping[str, Any]:
    marked = copy.deepcopy(checked(manifest, "an object of this test"))
    for item in (marked, *pod_templates(marked)):
        metadata = item["metadata"] = item.get("metadata") or {}
        metadata["labels"] = {**(metadata.get("labels") or {}), RUN_LABEL: run}
    return marked


def pod_templates(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What Pods of an object are made from, to be changed: a Pod itself is its own."""
    spec = manifest.get("spec")
    if manifest["kind"] == "CronJob":
        spec = manifest["spec"]["jobTemplate"]["spec"]
    template = spec.get("template") if isinstance(spec, dict) else None
    if manifest["kind"] == "Pod":
        template = manifest
    # An object of a kind that is not known may have anything there.
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        yield template


def without_node_ports(service: Mapping[str, Any], reason: str) -> dict[str, Any] | None:
    """A Service of type ClusterIP in place of one of type NodePort, which says why it is none;
    None for any other."""
    if service["kind"] != "Service" or (service.get("spec") or {}).get("type") != "NodePort":
        return None
    inside = copy.deepcopy(dict(service))
    spec, metadata = inside["spec"], inside["metadata"]
    spec["type"] = "ClusterIP"
    spec.pop("externalTrafficPolicy", None)  # which only makes sense with node ports
    for port in spec.get("ports") or ():
        port.pop("nodePort", None)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), NO_NODE_PORTS: reason}
    return inside


def patched(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """An object after a JSON merge patch (RFC 7386)."""
    merged = copy.deepcopy(dict(old))
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = patched(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged
