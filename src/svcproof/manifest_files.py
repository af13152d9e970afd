"""Reading manifests, and marking what a run applies as its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from svcproof.errors import UsageError

__all__ = ["CLIENT_LABEL", "RUN_LABEL", "load", "of_run", "packaged_manifests", "patched"]

#: On every object that a run applies, and on its Pods, which answer with its value.
RUN_LABEL: Final = "svcproof.dev/run"
#: On client Pods: the kind of position that they are.
CLIENT_LABEL: Final = "svcproof.dev/client"


def packaged_manifests(stem: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of the manifest file of that stem which svcproof brings along; none without."""
    path = files("svcproof") / "manifests" / f"{stem}.yaml"
    return load(path) if path.is_file() else ()


def load(path: Traversable) -> tuple[Mapping[str, Any], ...]:
    """All objects of a YAML file, as ``kubectl apply -f`` takes them.

    Lists are taken apart, empty documents and Namespaces (a run has its own) left out. Of an
    object that was exported, what only the API server writes is left out, and so is the
    namespace it came from.

    Raises :class:`~svcproof.errors.UsageError` with the line where something is no object.
    """
    import yaml

    try:
        text = path.read_text()
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        documents = list(yaml.safe_load_all(text))
    except (OSError, UnicodeError, yaml.YAMLError, ValueError) as error:
        raise UsageError(f"manifest {path}: {error}") from error
    found: list[Mapping[str, Any]] = []
    for root, document in zip(roots, documents, strict=True):
        if document is None:
            continue
        where = f"manifest {path}, line {root.start_mark.line + 1}"
        found += [_own(item) for item in _objects(document, where) if item["kind"] != "Namespace"]
    if not found:
        raise UsageError(f"manifest {path}: it has no objects")
    return tuple(found)


def _objects(document: Any, where: str) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise UsageError(f"{where}: a document that is no Kubernetes object (no kind)")
    kind: str = document["kind"]
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"]):
            # The items of a ServiceList need not say what they are.
            inferred = {"kind": kind.removesuffix("List")} if kind != "List" else {}
            said = {"apiVersion": document.get("apiVersion"), **inferred}
            whole = {**said, **item} if isinstance(item, dict) else item
            yield from _objects(whole, f"{where}, item {number + 1}")
        return
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    for field, is_right in (
        ("apiVersion", isinstance(document.get("apiVersion"), str)),
        ("metadata", isinstance(metadata, dict)),
        ("metadata.name", isinstance(name, str)),
        ("spec", isinstance(document.get("spec", {}), dict)),
    ):
        if not is_right:
            raise UsageError(
                f"{where}: {kind} without {field}",
                remedy="give it a name of its own: generateName makes another object each time"
                if field == "metadata.name"
                else f"compare it with `kubectl explain {kind.lower()}`",
            )
    yield document


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
    return item


def of_run(manifests: Sequence[Mapping[str, Any]], run: str) -> tuple[Mapping[str, Any], ...]:
    """The same manifests with the run's label on the objects and on their Pods."""
    return tuple(_labelled(manifest, run) for manifest in manifests)


def _labelled(manifest: Mapping[str, Any], run: str) -> Mapping[str, Any]:
    marked: dict[str, Any] = copy.deepcopy(dict(manifest))
    _label(marked, run)
    template = marked.get("spec", {}).get("template")
    if isinstance(template, dict):
        _label(template, run)
    return marked


def _label(item: dict[str, Any], run: str) -> None:
    item.setdefault("metadata", {}).setdefault("labels", {})[RUN_LABEL] = run


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
