"""Clusters that break the contract, each in one way; a plugin: ``-p tests.contract.faulty``."""

from __future__ import annotations

import os
from dataclasses import replace

from svcproof.clusters import fake

REAL = fake.FakeCluster


class LosesAttempts(REAL):
    """Says nothing of the last attempt of a probe."""

    def probe(self, position, plan):
        yield from list(super().probe(position, plan))[:-1]


class IgnoresPatches(REAL):
    """Takes a patch and changes nothing."""

    def patch(self, kind, name, changes, *, namespace):
        return {}


class KeepsWhatIsDeleted(REAL):
    """Answers a deletion, and the object stays."""

    def delete(self, kind, name, *, namespace):
        pass


class TakesEverything(REAL):
    """Accepts objects that the API refuses."""

    def apply(self, manifests, *, namespace):
        try:
            return super().apply(manifests, namespace=namespace)
        except fake_refusals():
            return ()


class ForgetsNodes(REAL):
    """Its facts name a node that the snapshot does not show."""

    def snapshot(self, namespace):
        snapshot = super().snapshot(namespace)
        return replace(snapshot, nodes=snapshot.nodes[:-1])


def fake_refusals():
    from svcproof.errors import ApplyFailed

    return ApplyFailed


KINDS = {
    kind.__name__: kind
    for kind in (
        LosesAttempts,
        IgnoresPatches,
        KeepsWhatIsDeleted,
        TakesEverything,
        ForgetsNodes,
    )
}

if os.environ.get("SVCPROOF_FAULTY"):
    fake.FakeCluster = KINDS[os.environ["SVCPROOF_FAULTY"]]  # type: ignore[misc]
