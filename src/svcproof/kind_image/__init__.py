"""A node image for kind, made without a registry, and a Docker of one's own to use it with.

Distribution packages (debootstrap) and the programs that an embedded cluster is
made of, with kubeadm, crictl and a CoreDNS that understands kubeadm's Corefile.
"""

from __future__ import annotations

from svcproof.kind_image.image import (
    NodeImage,
    build_image,
    build_users,
    find_image,
    load_image,
)

__all__ = ["NodeImage", "build_image", "build_users", "find_image", "load_image"]
