"""runc where the machine lacks CAP_SYS_RESOURCE: run as a program, with nothing but Python's own.

Docker gives every capability that it knows to a privileged container, and to a privileged
command in one; runc then ends with "unable to apply caps: operation not permitted". This
takes that one out of what Docker wrote, with the out-of-memory score that needs it, and
hands over to runc.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["edit", "file_to_edit", "main"]

_CAPABILITY = "CAP_SYS_RESOURCE"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(arguments: Sequence[str]) -> None:
    """Edit what the command is about to read, and become runc."""
    found = file_to_edit(arguments)
    if found:
        path, key = found
        with suppress(FileNotFoundError):
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            edit(document[key] if key else document)
            Path(path).write_text(json.dumps(document), encoding="utf-8")
    runc = shutil.which("runc", path=_PATH) or "runc"
    os.execv(runc, [runc, *arguments])


def file_to_edit(arguments: Sequence[str]) -> tuple[str, str] | None:
    """The file with a process that is about to be started, and the key it is at ("": all of it)."""
    verbs = [word for word in arguments if word in ("create", "run", "exec")]
    if not verbs:
        return None
    if verbs[0] == "exec":
        path = _value(arguments, "--process", "-p")
        return (path, "") if path else None
    bundle = _value(arguments, "--bundle", "-b")
    return (str(Path(bundle, "config.json")), "process") if bundle else None


def edit(process: dict[str, Any]) -> None:
    """Take the capability out of an OCI process, and what needs it."""
    process.pop("oomScoreAdj", None)
    for names in (process.get("capabilities") or {}).values():
        if _CAPABILITY in names:
            names.remove(_CAPABILITY)


def _value(arguments: Sequence[str], *names: str) -> str:
    """An option's value, in either of its forms."""
    for position, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in names:
            return value if equals else "".join(arguments[position + 1 : position + 2])
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
