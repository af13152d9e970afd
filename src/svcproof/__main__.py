"""``python -m svcproof`` is the ``svcproof`` command."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Python puts the current directory first, whose modules are somebody else's.
    if sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - pathlib is not loaded yet
        del sys.path[0]
    from svcproof.cli import main

    main()
