"""Files that are there altogether, or as they were before; and files that are nobody else's."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from svcproof.errors import EnvironmentProblem

__all__ = ["new_file", "write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and its directory if need be, so that nobody ever sees half of it.

    Raises :class:`OSError`.
    """
    beside = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(content)
    beside.replace(path)


def new_file(directory: Path, stem: str, suffix: str) -> Path:
    """A file that nobody has: empty, and named so, or with a number where that name is taken.

    Raises :class:`~svcproof.errors.EnvironmentProblem` where none can be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        names = (f"{stem}-{number}{suffix}" for number in itertools.count(2))
        for name in itertools.chain([f"{stem}{suffix}"], names):
            with contextlib.suppress(FileExistsError):
                (directory / name).touch(exist_ok=False)
                break
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot create the evidence file {directory / (stem + suffix)}: {error.strerror}",
            remedy="choose a writable directory with --svc-evidence",
        ) from error
    return directory / name
