"""The part of a node image that comes from the distribution: made once, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.process import Command, CommandError, stream
from svcproof.components.progress import Progress
from svcproof.errors import EnvironmentProblem

__all__ = ["BASE_KEY", "Base", "make_base"]

_SUITE: Final = "bookworm"
#: What kubeadm, the kubelet and kube-proxy call, and systemd.
_PACKAGES: Final = [
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "e2fsprogs",
    "ethtool",
    "hostname",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "libcap2-bin",
    "libseccomp2",
    "mount",
    "nftables",
    "pigz",
    "procps",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
]

#: systemd does nothing in a node but run what is installed afterwards, and nothing to what all
#: of the machine shares: kernel settings, modules, binary formats, devices, terminals.
_MASKED: Final = [
    "console-getty.service",
    "dbus.service",
    "dbus.socket",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty.target",
    "getty@.service",
    "proc-sys-fs-binfmt_misc.automount",
    "proc-sys-fs-binfmt_misc.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-remount-fs.service",
    "systemd-sysctl.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
]
_NOT_WANTED: Final = (
    "etc/systemd/system/*.wants/*",
    "lib/systemd/system/basic.target.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/multi-user.target.wants/*",
    "etc/machine-id",
    "usr/share/doc/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
)

#: What kube-proxy's image has of it. The plugins, too: without their libraries it writes no rules.
_PROXY_TOOLS: Final = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack")
_XTABLES: Final = "usr/lib/*/xtables/*.so"

#: Changes with everything that goes in; the packages' versions are the distribution's of the day.
BASE_KEY: Final = hashlib.sha256(
    json.dumps([_SUITE, _PACKAGES, _MASKED, _NOT_WANTED, _PROXY_TOOLS, 1]).encode()
).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Base:
    """A directory with ``base.tar``, and in ``tools`` kube-proxy's tools as they are in it."""

    directory: Path

    @property
    def tar(self) -> Path:
        """The root file system."""
        return self.directory / "base.tar"

    @property
    def tools(self) -> Path:
        """The root of kube-proxy's tools."""
        return self.directory / "tools"

    def proxy_files(self) -> Iterator[tuple[str, Path]]:
        """Path in the image and file, of every tool and library."""
        for path in sorted(self.tools.rglob("*")):
            if path.is_file():
                yield f"/{path.relative_to(self.tools)}", path


def make_base(cache: Path, progress: Progress) -> Base:
    """What the cache has, or a new one; the directory is complete or not there."""
    base = Base(cache / f"base-{BASE_KEY}")
    if base.tar.exists():
        return base
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as name:
        # World-readable, or the packages' own users see nothing of their root.
        root, out = Path(name, "root"), Path(name, "out")
        root.mkdir()
        out.mkdir()
        _debootstrap(root, progress)
        progress.phase("trimming the node's root file system")
        _trim(root)
        _copy_tools(root, out / "tools")
        _pack(root, out / "base.tar")
        out.rename(base.directory)
    return base


def _debootstrap(root: Path, progress: Progress) -> None:
    packages = ",".join(_PACKAGES)
    # It reports on standard output, and stream() reads the other one.
    argv = ["sh", "-c", 'exec debootstrap "$@" >&2', "debootstrap", "--variant=minbase"]
    argv += [f"--include={packages}", _SUITE, str(root)]

    def on_line(line: str) -> None:
        # One line for each package would be five hundred.
        step = line.removeprefix("I: ").strip()
        if not re.match(r"(Retrieving|Validating|Extracting|Unpacking|Configuring) \w", step):
            progress.phase(f"{_SUITE}: {step}")

    progress.phase(f"debootstrap {_SUITE}")
    try:
        command = Command(argv, root, dict(os.environ))
        stream(command, on_line=on_line, on_tick=progress.tick)
    except CommandError as error:
        lines = "\n".join(f"    {line}" for line in error.lines[-8:])
        raise EnvironmentProblem(
            f"debootstrap could not make a {_SUITE} root file system; its last lines:\n{lines}",
            remedy="it needs a Debian mirror and root; see what it says above, run the same again",
        ) from error


def _trim(root: Path) -> None:
    for pattern in _NOT_WANTED:
        for path in root.glob(pattern):
            _remove(path)
    units = root / "etc/systemd/system"
    for name in _MASKED:
        _link(units / name, "/dev/null")
    _link(units / "default.target", "/lib/systemd/system/multi-user.target")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _copy_tools(root: Path, tools: Path) -> None:
    """kube-proxy's tools with all the libraries that they load, as files without links."""
    plugins = [f"/{path.relative_to(root)}" for path in root.glob(_XTABLES)]
    for path in sorted({*_PROXY_TOOLS, *plugins, *_libraries(root, [*_PROXY_TOOLS, *plugins])}):
        copy = tools / _merged(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_inside(root, path), copy)


def _libraries(root: Path, programs: Iterable[str]) -> set[str]:
    done = subprocess.run(
        ["chroot", str(root), "ldd", *programs],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(re.findall(r"(/\S+) \(0x", done.stdout))


def _merged(path: str) -> str:
    """Where a path of a merged-/usr system really is, relative to the root."""
    plain = path.lstrip("/")
    return f"usr/{plain}" if plain.split("/")[0] in ("bin", "lib", "lib64", "sbin") else plain


def _inside(root: Path, path: str) -> Path:
    """The file a path leads to, with absolute links taken for the root's own."""
    file = root / _merged(path)
    while file.is_symlink():
        target = str(file.readlink())
        file = root / _merged(target) if target.startswith("/") else file.parent / target
    return file


def _pack(root: Path, tar: Path) -> None:
    command = ["tar", f"--directory={root}", "--numeric-owner", "--sort=name", "--create"]
    subprocess.run([*command, f"--file={tar}", "."], check=True, timeout=300)
