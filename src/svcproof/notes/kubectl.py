"""Running kubectl, as a learner would type it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Kubectl"]

_LIMIT: Final = 90.0


@dataclass(frozen=True)
class Kubectl:
    """A kubectl program, the cluster it talks to, and the directory with the manifests."""

    program: Path
    kubeconfig: Path
    directory: Path

    def run(self, line: str, *, only: str = "", pick: str = "") -> tuple[str, str, int]:
        """Run ``kubectl`` with the arguments in ``line``: what was run, what it printed, how
        it ended.

        ``only`` keeps the lines that match, as ``| grep -E`` does, ``pick`` what matches, as
        ``| grep -oE``; each is shown as that.
        """
        shown = f"kubectl {line}"
        shown += f" | grep -E {shlex.quote(only)}" if only else ""
        shown += f" | grep -oE {shlex.quote(pick)}" if pick else ""
        try:
            done = subprocess.run(
                ["kubectl", *shlex.split(line)],
                executable=self.program,
                cwd=self.directory,
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            return shown, f"no end after {_LIMIT:g} s: {_text(expired.output)}", 1
        lines = done.stdout.rstrip().splitlines()
        kept = [text for text in lines if not only or re.search(only, text)]
        if pick and not done.returncode:
            kept = [found[0] for text in kept for found in re.finditer(pick, text)]
        return shown, "\n".join(kept), done.returncode


def _text(output: object) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else str(output or "")
