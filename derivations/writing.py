"""Derivations as Python code and as JSON; flows as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sympy import Eq, Symbol, Tuple
from sympy.printing.str import StrPrinter

from geometry import explicit

from .derivation import Derivation, typeset, written

__all__ = ["as_json", "as_python", "flow_text"]

HEADER = """from sympy import *
from geometry import LogarithmicMean, PowerDifference, PowerDifferenceMean
from geometry.spectral_flow import TimeDerivative
"""


class _CodePrinter(StrPrinter):
    """SymPy expressions as Python code over the names that `as_python` defines."""

    def _print_Symbol(self, symbol: Symbol) -> str:
        return identifier(symbol)

    _print_OneForm = _print_Symbol

    def _print_TimeDerivative(self, derivative: Any) -> str:
        return f"TimeDerivative({self._print(derivative.args[0])})"

    def _print_Relational(self, relation: Any) -> str:
        return f"Eq({self._print(relation.lhs)}, {self._print(relation.rhs)})"

    def _print_Rational(self, number: Any) -> str:
        return f"Rational({number.p}, {number.q})"


def identifier(symbol: Symbol) -> str:
    """A Python name for a symbol."""
    return re.sub(r"\W+", "_", symbol.name).strip("_")


def as_python(derivation: Derivation) -> str:
    """Python code that defines the symbols and the result.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from derivations import DERIVATIONS
    >>> print(as_python(DERIVATIONS["multiplier"](DeepLinearNetwork(2, (2, 2)))).splitlines()[-1])
    result = sigma_k + sigma_l
    """
    lines = [f"# {derivation.name}: {derivation.network}", HEADER]
    for symbol in sorted(derivation.result.free_symbols, key=str):
        kind = "positive" if symbol.is_positive else "real"
        lines.append(f"{identifier(symbol)} = Symbol({symbol.name!r}, {kind}=True)")
    lines.append(f"result = {_CodePrinter().doprint(derivation.result)}")
    return "\n".join(lines)


def as_json(derivation: Derivation) -> dict[str, Any]:
    """A derivation as plain data."""
    return {
        "name": derivation.name,
        "network": str(derivation.network),
        "statement": derivation.statement,
        "steps": [
            {
                "lhs": written(step.lhs),
                "rhs": written(step.rhs),
                "reason": step.reason,
                "where": {str(symbol): written(value) for symbol, value in step.where.items()},
                "latex": step.latex(),
            }
            for step in derivation.steps
        ],
        "result": written(derivation.result),
        "latex": typeset(derivation.result),
        "reference": str(derivation.reference),
    }


def flow_text(equations: Sequence[Eq], output_format: str) -> str:
    """The equations of a flow in one of the formats of `dln derive`."""
    if output_format == "latex":
        rows = [f"  {typeset(equation.lhs)} &= {typeset(equation.rhs)} \\\\" for equation in equations]
        return "\n".join([r"\begin{align*}", *rows, r"\end{align*}"])
    if output_format == "json":
        return json.dumps(
            [{"lhs": str(e.lhs), "rhs": written(e.rhs), "latex": typeset(e)} for e in equations], indent=2
        )
    if output_format == "python":
        return f"{HEADER}\nequations = {_CodePrinter().doprint(Tuple(*equations))}"
    return "\n".join(f"{equation.lhs} = {explicit(equation.rhs)}" for equation in equations)
