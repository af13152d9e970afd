"""Manifests as somebody else's cluster takes them: its image, few rights, chosen nodes. Pure."""

from __future__ import annotations

import base64
import copy
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from svcproof.clusters.placing import Placing
from svcproof.images import ECHO_HOSTNAME_REFERENCE
from svcproof.manifest_files import pod_templates

__all__ = ["PROGRAM", "Fitting", "program_parts"]

Manifest = Mapping[str, Any]

#: Where the program is in every container, whoever brought it.
PROGRAM: Final = "/echo-hostname"
#: Bytes of a ConfigMap: the API server takes 1 MiB.
_PART_BYTES: Final = 700_000
#: Nobody in particular: the profile "restricted" wants any user but root.
_USER: Final = 65532
_PARTS_VOLUME: Final = "svcproof-parts"
_PROGRAM_VOLUME: Final = "svcproof-program"

#: Go's name of an architecture → what ``uname -m`` says.
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


def program_parts(program: bytes, architecture: str, namespace_labels: Manifest) -> list[Manifest]:
    """ConfigMaps that together hold a program, compressed: no registry need have it."""
    packed = gzip.compress(program, compresslevel=9, mtime=0)
    pieces = [packed[at : at + _PART_BYTES] for at in range(0, len(packed), _PART_BYTES)]
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"svcproof-program-{architecture}-{number}",
                "labels": dict(namespace_labels),
            },
            "binaryData": {f"part-{number:02}": base64.b64encode(piece).decode()},
        }
        for number, piece in enumerate(pieces)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How the harness's manifests are changed before they are applied.

    ``image`` has the program in it; else ``parts`` (architecture → names of the
    ConfigMaps) bring it along into ``carrier``. ``nodes`` are the only ones for Pods;
    none means any. ``placing``: what Pods tolerate, ask for and are limited to.
    """

    image: str = ""
    carrier: str = ""
    parts: Mapping[str, Sequence[str]] | None = None
    nodes: Sequence[str] = ()
    placing: Placing = field(default_factory=Placing)

    def fit(self, manifest: Manifest) -> Manifest:
        """The manifest for this cluster; what is not ours stays as it is."""
        fitted: dict[str, Any] = copy.deepcopy(dict(manifest))
        for template in pod_templates(fitted):
            pod = template["spec"]
            containers = [*(pod.get("initContainers") or ()), *pod["containers"]]
            ours = [each for each in containers if each.get("image") == ECHO_HOSTNAME_REFERENCE]
            if ours:
                self._restrict([pod] if len(ours) == len(containers) else ours)
                self._fit_pod(pod, ours)
        return fitted

    def _fit_pod(self, pod: dict[str, Any], ours: Sequence[dict[str, Any]]) -> None:
        if self.nodes:
            pod["affinity"] = {"nodeAffinity": _only_on(self.nodes)}
        if not pod.get("hostNetwork"):
            # One of the sysctls that every profile allows.
            context = pod.setdefault("securityContext", {})
            context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
        for container in ours:
            container["image"] = self.image or self.carrier
            container.setdefault("securityContext", {}).update(_UNPRIVILEGED)
            if not self.image:
                container.setdefault("volumeMounts", []).append(
                    {
                        "name": _PROGRAM_VOLUME,
                        "mountPath": PROGRAM,
                        "subPath": PROGRAM.strip("/"),
                        "readOnly": True,
                    }
                )
        if not self.image:
            self._bring_program(pod)
        self.placing.place(pod)

    def _restrict(self, parts: Sequence[dict[str, Any]]) -> None:
        """What the Pod security profile "restricted" asks for, of a Pod or of its containers."""
        for part in parts:
            context = part.setdefault("securityContext", {})
            context["runAsNonRoot"] = True
            context["runAsUser"] = context["runAsGroup"] = _USER
            context["seccompProfile"] = {"type": "RuntimeDefault"}

    def _bring_program(self, pod: dict[str, Any]) -> None:
        parts = self.parts or {}
        pod.setdefault("volumes", []).extend(
            [
                {"name": _PROGRAM_VOLUME, "emptyDir": {}},
                {"name": _PARTS_VOLUME, "projected": {"sources": list(_sources(parts))}},
            ]
        )
        program = {
            "name": "program",
            "image": self.carrier,
            "command": ["/bin/sh", "-c", _UNPACK],
            "securityContext": dict(_UNPRIVILEGED),
            "volumeMounts": [
                {"name": _PARTS_VOLUME, "mountPath": "/svcproof/parts", "readOnly": True},
                {"name": _PROGRAM_VOLUME, "mountPath": "/svcproof/program"},
            ],
        }
        if "runAsUser" not in pod["securityContext"]:
            self._restrict([program])
        # Others before the containers may be ours, too.
        pod["initContainers"] = [program, *pod.get("initContainers", ())]


_UNPRIVILEGED: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
#: A file appears under its name only when it is whole and can be run.
_UNPACK: Final = (
    'set -e; cd /svcproof; cat "parts/$(uname -m)"/part-* | gunzip > program/unpacked; '
    f"chmod 755 program/unpacked; mv program/unpacked program{PROGRAM}"
)


def _sources(parts: Mapping[str, Sequence[str]]) -> Iterator[Manifest]:
    for architecture, names in parts.items():
        for number, name in enumerate(names):
            key = f"part-{number:02}"
            path = f"{_MACHINES[architecture]}/{key}"
            yield {"configMap": {"name": name, "items": [{"key": key, "path": path}]}}


def _only_on(nodes: Sequence[str]) -> Manifest:
    # One term for each, for a field is compared with one value only.
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        for node in nodes
    ]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
