"""What the kernel lets us do, found out by doing it where it leaves no trace.

A thread moves itself into new namespaces (they belong to a thread, not to a
process), tries everything there, and with its end the kernel takes all of it
away. No process is forked for it, so it is safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from svcproof.components.findings import Finding
from svcproof.components.links import add_bridge, add_veth_pair
from svcproof.components.rules import inspect_iptables, inspect_nftables

__all__ = ["inspect_kernel"]

_NAMESPACES: Final = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "net": 0x40000000,
    # Last: from then on a child of this thread is the first process of its own world.
    "pid": 0x20000000,
}
_PRIVATE_RECURSIVE: Final = 0x44000
_ROOT_REMEDY: Final = "run as root; in a container: `--privileged`"
_MODULE_REMEDY: Final = "load the module ({}) on the host, or use a kernel that has it"

_libc = ctypes.CDLL(None, use_errno=True)


def inspect_kernel() -> list[Finding]:
    """Every feature a cluster needs, there or not."""
    findings: list[Finding] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            findings.extend(_inspect())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="svcproof-kernel-check")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return findings


def _inspect() -> Iterator[Finding]:
    entered = {name: _unshare(flag) for name, flag in _NAMESPACES.items() if name != "pid"}
    for name, error in entered.items():
        yield Finding(f"{name} namespace", not error, error, _ROOT_REMEDY)
    if not entered["mount"]:
        yield from _inspect_mounts()
    if not entered["net"]:
        yield from _inspect_network()
    error = _unshare(_NAMESPACES["pid"])
    yield Finding("pid namespace", not error, error, _ROOT_REMEDY)


def _inspect_mounts() -> Iterator[Finding]:
    """On a tmpfs of our own, which nobody else sees."""
    try:
        _mount("none", "/", "", _PRIVATE_RECURSIVE)
        place = tempfile.gettempdir()
        _mount("svcproof", place, "tmpfs")
    except OSError as error:
        yield Finding("tmpfs", False, str(error), _ROOT_REMEDY)
        return
    yield Finding("tmpfs", True)
    layers = [Path(place, name) for name in ("lower", "upper", "work", "merged")]
    for layer in layers:
        layer.mkdir()
    lower, upper, work, merged = (str(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    yield _try(
        "overlay file system",
        lambda: _mount("overlay", merged, "overlay", data=options),
        _MODULE_REMEDY.format("overlay"),
    )


def _inspect_network() -> Iterator[Finding]:
    yield _try("bridge devices", add_bridge, _MODULE_REMEDY.format("bridge"))
    yield _try("veth devices", add_veth_pair, _MODULE_REMEDY.format("veth"))
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    yield _try(
        "IPv4 forwarding",
        lambda: forward.write_text("1\n"),
        "make /proc/sys writable: --privileged",
    )
    six = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    yield _try(
        "IPv6", lambda: six.write_text("0\n"), "boot without ipv6.disable=1", needed_for="ipv6"
    )
    yield from inspect_iptables()
    yield from inspect_nftables()


def _try(name: str, action: Callable[[], object], remedy: str, *, needed_for: str = "") -> Finding:
    try:
        action()
    except OSError as error:
        return Finding(name, False, str(error), remedy, needed_for)
    return Finding(name, True, needed_for=needed_for)


def _unshare(flag: int) -> str:
    """ "" when it worked, else why not."""
    return "" if _libc.unshare(flag) == 0 else os.strerror(ctypes.get_errno())


def _mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)
