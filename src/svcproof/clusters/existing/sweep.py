"""What runs that are over have left in a cluster, and taking it away. Nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from svcproof.clusters.existing.cluster import delete_run
from svcproof.clusters.existing.run_card import CARD_NAME, MANAGED_BY, is_over
from svcproof.clusters.kubernetes_api import Api
from svcproof.errors import ApiRefused
from svcproof.manifest_files import RUN_LABEL

__all__ = ["Leftover", "claimed", "leftovers", "remove"]

_OURS = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())


@dataclass(frozen=True, slots=True)
class Leftover:
    """A namespace of a run that is over, or (with ``run``) its objects in one that stays."""

    namespace: str
    run: str = ""

    def __str__(self) -> str:
        what = f"what run {self.run} made in namespace" if self.run else "namespace"
        return f"{what} {self.namespace}"


def leftovers(api: Api, namespace: str = "") -> list[Leftover]:
    """What is left, in one namespace that stays, or else everywhere one may look."""
    if namespace:
        return [found for found, over in _cards(api, namespace) if over]
    made = [
        Leftover(item["metadata"]["name"])
        for item in api.call("GET", "/api/v1/namespaces", query={"labelSelector": _OURS})["items"]
        if is_over(item["metadata"].get("annotations") or {})
        and "deletionTimestamp" not in item["metadata"]
    ]
    try:
        return made + [found for found, over in _cards(api, "") if over]
    except ApiRefused:
        return made  # only its own namespaces may be looked into


def claimed(api: Api, namespace: str) -> str:
    """The run that uses a namespace that stays, right now; "" if none does."""
    return next((found.run for found, over in _cards(api, namespace) if not over), "")


def remove(api: Api, leftover: Leftover) -> None:
    """Take one away. Raises :class:`~svcproof.errors.ClusterProblem`."""
    if leftover.run:
        delete_run(api, leftover.namespace, leftover.run)
    else:
        api.call("DELETE", f"/api/v1/namespaces/{leftover.namespace}")


def _cards(api: Api, namespace: str) -> Iterator[tuple[Leftover, bool]]:
    """The cards of runs, and whether each is over."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    path = f"/api/v1{scope}/configmaps"
    for item in api.call("GET", path, query={"labelSelector": _OURS})["items"]:
        metadata = item["metadata"]
        run = (metadata.get("labels") or {}).get(RUN_LABEL, "")
        if run and metadata["name"] == f"{CARD_NAME}-{run}":
            yield Leftover(metadata["namespace"], run), is_over(metadata.get("annotations") or {})
