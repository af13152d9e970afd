"""A tour as one page that loads nothing: its Markdown, in the reports' colours."""

from __future__ import annotations

from html import escape
from itertools import pairwise

from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt

from svcproof.notes.markdown import anchor

__all__ = ["html"]

_LESSON = """
main { padding-top: 1.25rem; padding-bottom: 3rem; }
table { display: block; overflow-x: auto; border-collapse: collapse; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line); }
blockquote { margin: .75rem 0; padding: .4rem 1rem; border-left: 4px solid var(--unsure);
  background: var(--unsure-ground); border-radius: 4px; }
pre { overflow-x: auto; white-space: pre; }
"""


def html(document: str) -> str:
    """The whole page; text in the document is text, never markup of its own."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(document)
    title = ""
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(following.content))
            title = title or following.content
    body = reader.renderer.render(tokens, reader.options, {})
    # The reports' style is a template, of which the page takes all.
    styles = Environment(loader=PackageLoader("svcproof.reporters.page", "."), autoescape=True)
    style = styles.get_template("page.css").render() + _LESSON
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        'style-src \'unsafe-inline\'; img-src data:">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
