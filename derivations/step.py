"""One step of a derivation, and how expressions are written in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import Expr, Limit, Symbol, Tuple, latex

from geometry import explicit

__all__ = ["Step", "plain_text", "typeset", "written"]

PLAIN = {
    r"^{\mathsf T}": "ᵀ",
    r"\mathcal{A}": "A",
    r"\langle": "⟨",
    r"\rangle": "⟩",
    r"\infty": "∞",
    r"\nabla": "∇",
    r"\lambda": "λ",
    r"\sigma": "σ",
    r"\Omega": "Ω",
    r"\sqrt": "√",
    r"\det": "det",
    r"\lim": "lim",
    r"\to": "→",
    r"\,": " ",
    "$": "",
    "{": "",
    "}": "",
}
"""What the LaTeX of statements looks like where there is none."""


@dataclass(frozen=True)
class Step:
    """An equality lhs = rhs and the reason for it.

    Attributes
    ----------
    lhs, rhs : Expr
        Both sides in full.
    reason : str
    shown : tuple of two Expr, optional
        Both sides as they are written, with symbols such as λ_12 for longer expressions.
    where : dict
        What these symbols stand for.
    """

    lhs: Expr
    rhs: Expr
    reason: str
    shown: tuple[Expr, Expr] | None = None
    where: Mapping[Symbol, Expr] = field(default_factory=dict)

    @classmethod
    def abbreviated(cls, lhs: Expr, rhs: Expr, reason: str, where: Mapping[Symbol, Expr]) -> Step:
        """A step written with symbols for longer expressions."""
        values = dict(where)
        return cls(lhs.xreplace(values), rhs.xreplace(values), reason, (lhs, rhs), values)

    @property
    def sides(self) -> tuple[Expr, Expr]:
        """Both sides as they are written."""
        return self.shown or (self.lhs, self.rhs)

    def latex(self) -> str:
        """The equality in LaTeX, limits and sums as they stand, means written out."""
        return " = ".join(typeset(side) for side in self.sides)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def plain_text(latex: str) -> str:
    r"""A statement without its LaTeX.

    Examples
    --------
    >>> plain_text(r"As $N \to \infty$ the multiplier $\lambda_{kl}/N$ has a limit.")
    'As N → ∞ the multiplier λ_kl/N has a limit.'
    """
    for source, text in PLAIN.items():
        latex = latex.replace(source, text)
    return latex


def written(expression: Any) -> str:
    """An expression as text, means written out."""
    if isinstance(expression, (tuple, Tuple)):
        return "\n        ".join(written(part) for part in expression)
    return str(explicit(expression))


def typeset(expression: Any) -> str:
    """An expression in LaTeX, means written out."""
    if isinstance(expression, (tuple, Tuple)):
        return r",\quad ".join(typeset(part) for part in expression)
    if isinstance(expression, Limit):
        function, variable, _, _ = expression.args
        return rf"\lim_{{{latex(variable)} \to \infty}} {latex(explicit(function), fold_short_frac=False)}"
    return latex(explicit(expression))
