"""Reading manifests, and marking what a run applies as its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from svcproof.errors import UsageError

__all__ = ["RUN_LABEL", "load", "of_run", "packaged_manifests", "patched"]

#: On every object that a run applies, and on its Pods, which answer with its value.
RUN_LABEL: Final = "svcproof.dev/run"


def packaged_manifests(stem: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of the manifest file of that stem which svcproof brings along; none without."""
    path = files("svcproof") / "manifests" / f"{stem}.yaml"
    return load(path) if path.is_file() else ()


def load(path: Traversable) -> tuple[Mapping[str, Any], ...]:
    """All documents of a YAML file."""
    import yaml

    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise UsageError(f"manifest {path}: {error}") from error
    for document in documents:
        if not isinstance(document, dict) or "kind" not in document:
            raise UsageError(f"manifest {path}: a document that is no Kubernetes object")
    return tuple(documents)


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
