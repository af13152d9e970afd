"""Does a test notice? Each mutant of the pure core, against the tests that run what it changes.

``python -m tests.mutation [-h]``. One process collects the tests, and runs each once to see
which functions it calls. A mutant is a fork of it, in which the functions have another code
object: files are never changed, and nothing is imported twice.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.mutation.mutants import Key, Mutant, codes, key_of, mutants_of

#: Found without an import: pytest is to see the package first.
PACKAGE = Path(str(find_spec("svcproof").origin)).parent
#: Which tests are to notice a change of which files. The second group takes longer.
GROUPS = {
    "core": (
        "verdict.py promises.py events.py records.py attempts.py history*.py saved.py streak.py "
        "checkers/*.py expect/*.py",
        "checkers* expect* history* saved verdict streak recorder",
    ),
    "rest": (
        "stats/*.py places.py questions.py profiles.py workloads.py",
        "stats* places questions profiles workloads expect*",
    ),
}
#: Tests of time and memory would notice the harness, and not the mutant.
NOT_THESE = "not million and not import"
CPU_SECONDS = 20
WALL_SECONDS = 240

Called = dict[tuple[Path, Key], set[int]]
Functions = dict[Path, dict[Key, list[FunctionType]]]


class Run:
    """A pytest plugin in place of its loop over the tests."""

    def __init__(self, paths: Sequence[Path], sample: int, seed: int) -> None:
        self._paths, self._sample, self._seed = paths, sample, seed
        self._failed = False
        self._in_mutant = False
        self.results: list[tuple[Mutant, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = True
            if self._in_mutant:
                os._exit(1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        called, seconds = self._baseline(session.items)
        if self._failed:
            sys.exit("the tests fail without any mutant")
        mutants = [mutant for path in self._paths for mutant in mutants_of(path, PACKAGE)]
        if self._sample:
            mutants = random.Random(self._seed).sample(mutants, min(self._sample, len(mutants)))
        functions = {path: _functions_of(path) for path in self._paths}
        for number, mutant in enumerate(mutants, start=1):
            tests = _tests_of(mutant, called, seconds)
            ranked = [session.items[i] for i in sorted(tests, key=seconds.__getitem__)]
            outcome = self._outcome(mutant, ranked, functions)
            self.results.append((mutant, outcome))
            if outcome != "killed" or number % 100 == 0:
                print(f"{number}/{len(mutants)} {outcome}: {mutant}", file=sys.__stderr__)
        return True

    def _baseline(self, items: list[pytest.Item]) -> tuple[Called, dict[int, float]]:
        """Which tests call which functions, and how long each takes."""
        called: Called = defaultdict(set)
        seconds = {}
        files = {str(path): path for path in self._paths}

        def note(frame: Any, event: str, _: object) -> None:
            path = files.get(frame.f_code.co_filename)
            if event == "call" and path is not None:
                called[path, key_of(frame.f_code)].add(number)

        for number in range(len(items)):
            began = time.process_time()
            sys.setprofile(note)
            _run(items, number)
            sys.setprofile(None)
            seconds[number] = time.process_time() - began
        return called, seconds

    def _outcome(self, mutant: Mutant, items: list[pytest.Item], functions: Functions) -> str:
        child = os.fork()
        if child == 0:
            self._in_mutant = True
            _be_the_mutant(lambda: _apply(mutant, functions[mutant.path]), items)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return "timeout"
        return "killed" if os.WEXITSTATUS(status) else "survived"


def _run(items: list[pytest.Item], number: int) -> None:
    following = items[number + 1] if number + 1 < len(items) else None
    items[number].ihook.pytest_runtest_protocol(item=items[number], nextitem=following)


def _be_the_mutant(apply: Callable[[], None], items: list[pytest.Item]) -> None:
    """In the fork: ends with 0 if no test noticed."""
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        signal.alarm(WALL_SECONDS)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        apply()
        for number in range(len(items)):
            _run(items, number)
    except BaseException:  # whatever it is, it was noticed
        os._exit(1)
    os._exit(0)


def _tests_of(mutant: Mutant, called: Called, everything: Iterable[int]) -> set[int]:
    """The tests that call what is changed; of a constant nobody knows who reads it."""
    if mutant.name:
        return set(everything)
    return {test for key in mutant.functions for test in called.get((mutant.path, key), ())}


def _functions_of(path: Path) -> dict[Key, list[FunctionType]]:
    found = defaultdict(list)
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename == str(path):
            found[key_of(thing.__code__)].append(thing)
    return found


def _apply(mutant: Mutant, functions: dict[Key, list[FunctionType]]) -> None:
    for code in codes(mutant.code):
        for function in functions.get(key_of(code), []):
            if len(function.__code__.co_freevars) == len(code.co_freevars):
                function.__code__ = code
    if mutant.name:
        _assign(mutant, functions)


def _assign(mutant: Mutant, functions: dict[Key, list[FunctionType]]) -> None:
    """Another constant: in its module, in defaults, and wherever it was imported to."""
    module = f"svcproof.{mutant.module}".removesuffix(".__init__")
    package = module if mutant.path.name == "__init__.py" else module.rpartition(".")[0]
    fresh: dict[str, Any] = {"__name__": module, "__package__": package}
    exec(mutant.code, fresh)  # noqa: S102  the mutated source itself
    old = vars(sys.modules[module])[mutant.name]
    for name, other in list(sys.modules.items()):
        if name.startswith(("svcproof", "tests")) and vars(other).get(mutant.name, fresh) is old:
            vars(other)[mutant.name] = fresh[mutant.name]
    for thing in list(fresh.values()):
        if type(thing) is FunctionType:
            for function in functions.get(key_of(thing.__code__), []):
                function.__defaults__ = thing.__defaults__


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--group", choices=GROUPS, default="core")
    parser.add_argument(
        "--only", help="a pattern of files, in place of the group's: stats/rates.py"
    )
    parser.add_argument("--sample", type=int, default=0, help="so many, at random; 0: all")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    files, tests = GROUPS[options.group]
    paths = [
        path for glob in (options.only or files).split() for path in sorted(PACKAGE.glob(glob))
    ]
    unit = Path("tests/unit")
    chosen = [str(p) for glob in tests.split() for p in sorted(unit.glob(f"test_{glob}.py"))]
    run = Run(paths, options.sample, options.seed)
    quiet = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", NOT_THESE]
    pytest.main([*quiet, *dict.fromkeys(chosen)], plugins=[run])
    counts = Counter((mutant.module, outcome) for mutant, outcome in run.results)
    sys.stdout.write(f"\n{'module':24}{'mutants':>8}{'killed':>8}{'survived':>10}\n")
    for name in sorted({mutant.module for mutant, _ in run.results}):
        survived = counts[name, "survived"]
        total = sum(number for (module, _), number in counts.items() if module == name)
        sys.stdout.write(f"{name:24}{total:8}{total - survived:8}{survived:10}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
