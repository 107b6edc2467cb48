"""One step of a derivation, and how expressions are written in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sympy import Add, Eq, Expr, Pow, Symbol, Tuple, fraction
from sympy.core.relational import Relational

from geometry import DeepLinearNetwork, Kernel, explicit

from .latex_collecting import collected
from .latex_gathering import gathered
from .latex_style import house_style

if TYPE_CHECKING:
    from .derivation import CheckResult

__all__ = ["Step", "plain_text", "typeset", "written"]

GREEK_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau "
    "upsilon phi chi psi omega"
)
GREEK = {name: chr(ord("α") + place) for place, name in enumerate(GREEK_LETTERS.split())} | {
    "varepsilon": "ε",
    "varphi": "φ",
}
CAPITALS = {"Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω"}
SIGNS = {
    "infty": "∞",
    "nabla": "∇",
    "partial": "∂",
    "langle": "⟨",
    "rangle": "⟩",
    "sqrt": "√",
    "sum": "Σ",
    "prod": "Π",
    "int": "∫",
    "to": "→",
    "mapsto": "↦",
    "leq": "≤",
    "le": "≤",
    "geq": "≥",
    "ge": "≥",
    "neq": "≠",
    "ne": "≠",
    "sim": "~",
    "approx": "≈",
    "cdot": "·",
    "cdots": "⋯",
    "dots": "…",
    "ldots": "…",
    "times": "x",
    "circ": "∘",
    "perp": "⊥",
    "wedge": "∧",
    "otimes": "⊗",
    "in": "∈",
    "pm": "±",
    "mp": "∓",
    "quad": "  ",
    "qquad": "    ",
    ",": " ",
    ";": " ",
    "!": "",
    "ddot": "",
}
PHRASES = {r"^{\mathsf T}": "ᵀ", r"\mathsf T": "ᵀ", r"\tfrac12": "½", r"\langle ": "⟨"}
"""What the LaTeX of statements looks like where there is none; of any other command the name is left, as in log."""
SILENT = ["left", "right", "mathrm", "mathcal", "mathbb", "operatorname", "text", "displaystyle", "bigl", "bigr"]


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
    network : DeepLinearNetwork, optional
        That of the derivation that the step belongs to.
    values : dict
        What `subs` put in for symbols other than the sizes of the network.
    """

    lhs: Expr
    rhs: Expr
    reason: str
    shown: tuple[Expr, Expr] | None = None
    where: Mapping[Expr, Expr] = field(default_factory=dict)
    network: DeepLinearNetwork | None = field(default=None, repr=False, compare=False)
    values: Mapping[Symbol, Expr] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def abbreviated(cls, lhs: Expr, rhs: Expr, reason: str, where: Mapping[Expr, Expr]) -> Step:
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

    @property
    def equation(self) -> Eq:
        """Both sides in full as SymPy's equation, not evaluated."""
        return Eq(self.lhs, self.rhs, evaluate=False)

    def subs(self, values: Mapping[Any, Any] | None = None, /, **named: Any) -> Step:
        """The step with values for its symbols: step.subs(N=3), step.subs({N: 3, "sigma_1": 2}).

        A depth, rank or side of its network is replaced there as well.  See `step_questions.substituted_step`.

        Raises
        ------
        ValueError
            If a symbol or name does not occur, or a value is no number or expression.
        """
        from .step_questions import substituted_step

        return substituted_step(self, values, named)

    def check(self, route: str = "exact", network: DeepLinearNetwork | None = None) -> CheckResult:
        """Check that both sides are equal; a step of a derivation knows its network.

        Raises
        ------
        DerivationError
            If they are not.
        ValueError
            If the route is unknown, or it needs a network that is not there, or values of its own.
        """
        from .step_questions import checked_step

        return checked_step(self, route, network)

    def python(self) -> str:
        """Python code that defines the symbols and both sides; see `step_code.step_as_python`."""
        from .step_code import step_as_python

        return step_as_python(self)

    def kernel(self, backend: str = "numpy") -> Kernel:
        """The right-hand side as a function of its symbols, by name; its `source` is the code that was emitted.

        Raises
        ------
        ValueError
            If the right-hand side has no kernel, as for a symbolic rank.
        """
        from .step_questions import step_kernel

        return step_kernel(self, backend)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        from .displays import step_html

        return step_html(self)


def plain_text(latex: str) -> str:
    r"""A statement without its LaTeX.

    Examples
    --------
    >>> plain_text(r"As $N \to \infty$ the multiplier $\lambda_{kl}/N$ has a limit.")
    'As N → ∞ the multiplier λ_kl/N has a limit.'
    """
    for source, text in PHRASES.items():
        latex = latex.replace(source, text)
    latex = re.sub(r"\\[td]?frac\{([^{}]*)\}\{([^{}]*)\}", _plain_fraction, latex)
    latex = re.sub(r"\\sqrt\{([^{}]{2,})\}", r"√(\1)", latex)
    latex = re.sub(r"\\([A-Za-z]+|[,;!])( ?)", _plain_command, latex)
    return re.sub(r"[${}]", "", latex)


def _plain_fraction(found: re.Match[str]) -> str:
    return "/".join(part if part.isalnum() else f"({part})" for part in found.groups())


def _plain_command(found: re.Match[str]) -> str:
    name, space = found.groups()
    if name in SILENT:
        return ""
    return {**GREEK, **CAPITALS, **SIGNS}.get(name, name) + space


def written(expression: Any) -> str:
    """An expression as text, means written out."""
    if isinstance(expression, (tuple, Tuple)):
        return "\n        ".join(written(part) for part in expression)
    return str(with_common_denominators(explicit(expression)))


def typeset(expression: Any) -> str:
    """An expression in LaTeX in the house style, means written out, terms over all indices gathered."""
    if isinstance(expression, (tuple, Tuple)):
        return r",\quad ".join(typeset(part) for part in expression)
    if isinstance(expression, Relational):
        return f"{typeset(expression.lhs)} = {typeset(expression.rhs)}"
    return house_style(gathered(collected(explicit(expression))))


def with_common_denominators(expression: Expr) -> Expr:
    """An expression with the terms of its exponents over common denominators: -1 + (m + n - 2 r + 1)/N.

    Examples
    --------
    >>> from sympy import symbols
    >>> x, m, n, N = symbols("x m n N", positive=True)
    >>> with_common_denominators(x ** (m / N + n / N - 1))
    x**(-1 + (m + n)/N)
    """
    return expression.replace(
        lambda part: isinstance(part, Pow) and isinstance(part.exp, Add),
        lambda part: Pow(part.base, _over_denominators(part.exp), evaluate=False),
    )


def _over_denominators(exponent: Add) -> Expr:
    numerators: dict[Expr, list[Expr]] = {}
    for term in exponent.args:
        # A number in the denominator stays with its term: r/2 is none over 2.
        numerator, denominator = fraction(term)
        number, symbolic = denominator.as_coeff_Mul()
        numerators.setdefault(symbolic, []).append(numerator / number)
    return Add(*(Add(*terms) / denominator for denominator, terms in numerators.items()))
