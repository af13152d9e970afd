"""Where runs left their evidence, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import structs

from svcproof.culprit import culprits
from svcproof.errors import BadHistory, UsageError
from svcproof.history import History
from svcproof.history_reader import decode_lines
from svcproof.results import CaseResult, RunResult, decode_run, read_again, unknown_fields

__all__ = ["explained", "latest", "passed_over", "read_history", "read_run"]

_RESULTS: Final = "results.json"
_EVIDENCE: Final = Path(".svcproof") / "evidence"
#: The first version of the results whose rows say enough.
_WITH_ROWS: Final = 2
_REMEDY: Final = (
    "name the directory of one run, such as .svcproof/evidence/RUN; a run that was killed leaves "
    "histories only: svcproof judge reads them"
)


def latest() -> Path:
    """The directory of the latest run that left results."""
    found = sorted(_EVIDENCE.glob(f"*/{_RESULTS}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"no {_RESULTS} below {_EVIDENCE}", remedy=_REMEDY)
    return found[-1].parent


def read_run(path: Path) -> RunResult:
    """The results of a run, of its directory or of the file itself."""
    file = _results(path)
    return decode_run(_content(file), source=str(file))


def passed_over(path: Path) -> str:
    """What is in readable results and not known here: a newer version's; "" if nothing is."""
    file = _results(path)
    if not (fields := unknown_fields(_content(file))):
        return ""
    return f"{file}: passed over, because not known to this svcproof: {', '.join(fields)}"


def _results(path: Path) -> Path:
    return path / _RESULTS if path.is_dir() else path


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", remedy=_REMEDY) from error


def explained(run: RunResult, directory: Path) -> RunResult:
    """The run with its culprits found anew; rows that its results lack are made of its histories.

    A case whose history cannot be read stays as it is: it is no evidence.
    """
    cases = run.cases
    if run.schema < _WITH_ROWS:
        read = [(case, read_history(directory, case)) for case in cases]
        cases = tuple(case if isinstance(h, str) else read_again(case, h) for case, h in read)
    found = culprits(cases, run.problems, cluster=run.cluster)
    return structs.replace(run, cases=cases, culprits=found)


def read_history(directory: Path, case: CaseResult) -> History | str:
    """A case's history, or why it cannot be read; it may have been moved with its directory."""
    file = directory / Path(case.history).name
    try:
        with file.open("rb") as lines:
            return decode_lines(lines, source=str(file))
    except OSError as error:
        return f"{file}: {error.strerror}"
    except ValueError as error:  # no name that a file can have
        return f"{str(file)!r}: {error}"
    except BadHistory as error:
        return error.what
