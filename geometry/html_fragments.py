r"""Fragments of HTML with formulas for MathJax, for notebooks; whatever comes in as text or LaTeX is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

__all__ = ["details", "displayed_formula", "formula", "heading", "paragraph", "preformatted", "table"]

LABEL_STYLE = "text-align: left; vertical-align: top; font-weight: normal; white-space: nowrap"
VALUE_STYLE = "text-align: left"


def formula(latex: str) -> str:
    r"""A formula within a line.

    Examples
    --------
    >>> print(formula(r"\prod_{k < l} a_k"))
    \(\prod_{k &lt; l} a_k\)
    """
    return rf"\({escape(latex)}\)"


def displayed_formula(latex: str) -> str:
    """A formula on a line of its own; it can be scrolled where it is wider than the page."""
    return rf'<div style="overflow-x: auto">\[{escape(latex)}\]</div>'


def heading(text: Any) -> str:
    """A line in bold."""
    return f"<div><strong>{escape(str(text))}</strong></div>"


def paragraph(text: Any) -> str:
    """Text; formulas between dollar signs are left for MathJax."""
    return f"<p>{escape(str(text))}</p>"


def preformatted(text: Any) -> str:
    """Code, line by line as it stands."""
    return f"<pre>{escape(str(text))}</pre>"


def details(summary: Any, body: str) -> str:
    """What opens on a click: the summary as text, the body as HTML."""
    return f"<details><summary>{escape(str(summary))}</summary>{body}</details>"


def table(rows: Iterable[tuple[Any, str]]) -> str:
    """Two columns: a label as text, and a value as HTML.

    Examples
    --------
    >>> table([("a & b", formula("c"))]).count("a &amp; b")
    1
    """
    body = "".join(
        f'<tr><th style="{LABEL_STYLE}">{escape(str(label))}</th><td style="{VALUE_STYLE}">{value}</td></tr>'
        for label, value in rows
    )
    return f"<table>{body}</table>"
