"""Sphinx' settings for `tox -e docs`; every Markdown file reads well without it, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from svcproof import __version__

project = "svcproof"
author = "the authors of svcproof"
project_copyright = "Apache-2.0"
version = release = __version__

extensions = ["myst_parser"]
# Everything that is linked has to be there: what is not is a warning, and -W makes it an error.
nitpicky = True
# As GitHub makes them, so that one link is right in both places.
myst_heading_anchors = 4
exclude_patterns = ["_build"]
suppress_warnings = ["myst.header"]  # some pages have a heading of level 4 below one of level 2

html_theme = "furo"
html_title = f"svcproof {__version__}"
html_show_sourcelink = False
html_show_sphinx = False

_DOCS = Path(__file__).parent
_LINK = re.compile(r"\[(?P<text>[^\]\[]+)\]\((?P<path>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```|~~~)")
_logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    # Where the source is published, such as https://example.org/svcproof/blob/main.
    app.add_config_value("svcproof_repository", "", "env")
    app.connect("source-read", _mend_links)
    return {"parallel_read_safe": True}


def _mend_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Links that leave docs/ lead to the repository, or, when none is named, are text only."""
    directory = Path(app.env.doc2path(page)).parent

    def mended(link: re.Match[str]) -> str:
        target = (directory / link["path"]).resolve()
        if target.is_relative_to(_DOCS) and target.suffix == ".md":
            return link[0]
        if not target.exists():
            _logger.warning("link to a file that is not there: %s", link[0], location=page)
        repository = app.config.svcproof_repository
        if not repository:
            return link["text"]
        inside = target.relative_to(_DOCS.parent).as_posix()
        return f"[{link['text']}]({repository}/{inside}{link['anchor'] or ''})"

    source[0] = "".join(
        _LINK.sub(mended, line) if is_prose else line for line, is_prose in _lines(source[0])
    )


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it stands outside of all fenced blocks."""
    fenced = False
    for line in text.splitlines(keepends=True):
        is_fence = bool(_FENCE.match(line))
        fenced ^= is_fence
        yield line, not (fenced or is_fence)
