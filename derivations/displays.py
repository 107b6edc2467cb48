"""How derivations and their steps show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Expr

from geometry.displays import network_latex
from geometry.html_fragments import details, displayed_formula, formula, heading, paragraph, preformatted, table

from .derivation import Derivation
from .step import Step, typeset

__all__ = ["derivation_html", "step_html"]

STEP_STYLE = "margin: 0.3em 0"


def derivation_html(derivation: Derivation) -> str:
    """The statement, the result, and the steps: numbered by their reasons, each opens on a click."""
    steps = "".join(
        f'<li style="{STEP_STYLE}">{details(step.reason, _equality(step, explained))}</li>'
        for step, explained in derivation.explained_steps()
    )
    return "".join(
        [
            heading(derivation.name),
            paragraph(derivation.statement),
            *map(displayed_formula, derivation.result_latex()),
            f"<ol>{steps}</ol>",
            table(
                [("network", formula(network_latex(derivation.network))), ("source", paragraph(derivation.reference))]
            ),
        ]
    )


def step_html(step: Step) -> str:
    """The equality with what its symbols stand for, and its LaTeX and Python, which open on a click."""
    sources = details("LaTeX", preformatted(step.latex())) + details("Python", preformatted(step.python()))
    return paragraph(step.reason) + _equality(step, step.where) + sources


def _equality(step: Step, explained: Mapping[Expr, Expr]) -> str:
    where = table([("where", formula(rf"{typeset(symbol)} = {typeset(value)}")) for symbol, value in explained.items()])
    return displayed_formula(step.latex()) + (where if explained else "")
