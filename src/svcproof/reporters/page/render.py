"""The template, filled. What comes from the network is text, and never markup."""

from __future__ import annotations

import re
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from svcproof.comparison import Comparison
from svcproof.reporters.page.model import HeatCell, Page
from svcproof.reporters.page.moments import percent

__all__ = ["render", "render_differences"]

#: What would not be seen, or would turn the text around it: it is spelt out.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def render(page: Page) -> str:
    """The whole document."""
    return _environment().get_template("page.html.j2").render(page=page)


def render_differences(found: Comparison) -> str:
    """Two runs compared, as a document of the same make."""
    template = _environment().get_template("differences.html.j2")
    return template.render(found=found, verdict="FAIL" if found.got_worse else "PASS")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("svcproof.reporters.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {"thousands": _thousands, "percent": percent, "shade": _shade}
    return environment


def _visible(value: object) -> object:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    return value


def _thousands(value: int) -> str:
    return f"{value:,}"


def _shade(cell: HeatCell) -> int:
    """How dark a share is drawn: a step of ten."""
    return min(10, round(cell.share * 10)) if cell.count else 0
