"""``python -m svcproof`` is the ``svcproof`` command."""

from __future__ import annotations

from svcproof.cli import main

if __name__ == "__main__":
    main()
