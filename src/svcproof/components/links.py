"""Network devices made by a netlink message of our own.

pyroute2 does this for the cluster, but takes longer to import than all checks
together take to run.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

__all__ = ["add_bridge", "add_veth_pair"]

_RTM_NEWLINK: Final = 16
_REQUEST_ACK_CREATE_EXCL: Final = 0x1 | 0x4 | 0x400 | 0x200
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 18, 1


def add_bridge() -> None:
    """In the calling thread's network namespace; raises :class:`OSError`."""
    _add("svcproof-br", "bridge")


def add_veth_pair() -> None:
    """In the calling thread's network namespace; raises :class:`OSError`."""
    _add("svcproof-veth", "veth")


def _add(name: str, kind: str) -> None:
    info = _attribute(_IFLA_INFO_KIND, kind.encode())
    payload = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
    payload += _attribute(_IFLA_IFNAME, name.encode() + b"\0") + _attribute(_IFLA_LINKINFO, info)
    header = struct.pack("=IHHII", 16 + len(payload), _RTM_NEWLINK, _REQUEST_ACK_CREATE_EXCL, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(2.0)
        netlink.bind((0, 0))
        netlink.send(header + payload)
        answer = netlink.recv(4096)
    (code,) = struct.unpack_from("=i", answer, 16)
    if code:
        raise OSError(-code, os.strerror(-code), f"{kind} device")


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)
