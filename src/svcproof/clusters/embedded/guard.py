"""PID 1 of a running cluster: collects orphans, and ends with its keeper.

The supervisor turns into this when the cluster is ready. Imports nothing large.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from svcproof.clusters.embedded.state import StateDirectory
from svcproof.clusters.embedded.sweep import sweep

__all__ = ["end_with_keeper", "main"]


def main(arguments: list[str]) -> NoReturn:
    """Arguments: the state directory, the descriptor of the pipe from the keeper.

    A component that ends stays ended; ``svcproof status`` says so.
    """
    watch = (int(arguments[1]), StateDirectory(Path(arguments[0])))
    threading.Thread(target=end_with_keeper, args=watch, daemon=True).start()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()


def end_with_keeper(keeper: int, directory: StateDirectory) -> NoReturn:
    """Wait for the keeper's death, then end everything and clean up in its place."""
    select.select([keeper], [], [])
    os.kill(-1, signal.SIGKILL)  # all of this PID namespace but this process
    sweep(directory, await_link=False)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
