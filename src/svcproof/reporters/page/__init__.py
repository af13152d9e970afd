"""A run as one self-contained HTML page: a view of results and histories, and a template.

:func:`view_of` reduces a run to plain values (:mod:`~svcproof.reporters.page.model`);
:func:`render` fills the template with them. Neither opens a file of the run.
"""

from __future__ import annotations

from svcproof.reporters.page.build import view_of
from svcproof.reporters.page.render import render, render_differences

__all__ = ["render", "render_differences", "view_of"]
