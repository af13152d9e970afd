"""Package managers: which one there is, what it calls a tool's package, what to type."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Manager", "detect", "install_with_apt"]

#: For one call of apt-get, seconds.
_APT_TIMEOUT: Final = 300.0
_APT_OPTIONS: Final = ("-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=2")

_IPTABLES: Final = ("iptables", "ip6tables", "iptables-restore")
_UTIL_LINUX: Final = ("unshare", "nsenter")
_MOUNT: Final = ("mount", "umount")


@dataclass(frozen=True, slots=True)
class Manager:
    """One family of distributions."""

    name: str
    install: str
    packages: Mapping[str, str]

    def packages_for(self, tools: Iterable[str]) -> list[str]:
        """Names of the packages that have these tools."""
        return sorted({self.packages.get(tool, tool) for tool in tools})

    def command_for(self, tools: Iterable[str]) -> str:
        """What to type to have these tools."""
        names = " ".join(self.packages_for(tools))
        if self is _UNKNOWN:
            return f"install {names} with your package manager"
        prefix = "" if os.geteuid() == 0 else "sudo "
        return " && ".join(f"{prefix}{part}" for part in f"{self.install} {names}".split(" && "))


def _named(iptables: str, util_linux: str, mount: str) -> dict[str, str]:
    return {
        **dict.fromkeys(_IPTABLES, iptables),
        **dict.fromkeys(_UTIL_LINUX, util_linux),
        **dict.fromkeys(_MOUNT, mount),
        "nft": "nftables",
        "runc": "runc",
        "dockerd": "docker.io",
        "docker": "docker-cli",
    }


_MANAGERS: Final[Mapping[str, Manager]] = {
    "apt-get": Manager(
        "apt",
        "apt-get update && apt-get install --yes --no-install-recommends",
        _named("iptables", "util-linux", "mount"),
    ),
    "dnf": Manager(
        "dnf", "dnf install --assumeyes", _named("iptables-nft", "util-linux", "util-linux")
    ),
    "yum": Manager(
        "yum", "yum install --assumeyes", _named("iptables-nft", "util-linux", "util-linux")
    ),
    "apk": Manager("apk", "apk add", _named("iptables", "util-linux-misc", "mount")),
    "pacman": Manager(
        "pacman",
        "pacman --sync --needed --noconfirm",
        _named("iptables", "util-linux", "util-linux"),
    ),
    "zypper": Manager(
        "zypper", "zypper --non-interactive install", _named("iptables", "util-linux", "util-linux")
    ),
}
_UNKNOWN: Final = Manager("unknown", "", _named("iptables", "util-linux", "mount"))


def detect() -> Manager:
    """The machine's package manager, by the first of their commands that is there."""
    for command, manager in _MANAGERS.items():
        if shutil.which(command):
            return manager
    return _UNKNOWN


def install_with_apt(packages: list[str]) -> str:
    """Install; the lists are fetched only when it fails without. Returns why it failed, or ""."""
    if not _apt("install", "--yes", "--no-install-recommends", *packages):
        return ""
    return _apt("update") or _apt("install", "--yes", "--no-install-recommends", *packages)


def _apt(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["apt-get", "--quiet", *_APT_OPTIONS, *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_APT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
    return lines[-1]
