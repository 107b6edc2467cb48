"""Derivations as Python code and as JSON; flows as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sympy import Eq, Symbol, Tuple
from sympy.printing.str import StrPrinter

from geometry import explicit
from geometry.indexed import IndexedSymbol

from .derivation import Derivation
from .latex_derivation import Row, equations_latex
from .step import typeset, written
from .theorems import THEOREMS

__all__ = ["as_json", "as_python", "catalogue", "flow_text"]

HEADER = """from sympy import *
from geometry import LogarithmicMean, PowerDifference, PowerDifferenceMean
from geometry.coframe import IndexedForm
from geometry.indexed import IndexedProduct, IndexedSum, SingularValue
from geometry.laplacian import SumOverOthers
from geometry.radial_diffusion import FlatCoordinate
from geometry.spectral_flow import TimeDerivative
"""


class CodePrinter(StrPrinter):
    """SymPy expressions as Python code over the names that are defined before it."""

    # Not "_sympystr", with which our functions print themselves for reading.
    printmethod = "_python_code"

    def _print_Symbol(self, symbol: Symbol) -> str:
        return identifier(symbol)

    _print_OneForm = _print_Symbol

    def _print_SingularValue(self, value: Any) -> str:
        return f"SingularValue({self._print(value.args[0])})"

    def _print_IndexedSymbol(self, symbol: Any) -> str:
        return f"Symbol({symbol.name!r}, positive=True)"

    def _print_named(self, form: Any) -> str:
        letter, *indices = form.args
        return f"{type(form).__name__}({letter.name!r}, {', '.join(map(self._print, indices))})"

    _print_IndexedForm = _print_named

    _print_FlatCoordinate = _print_named

    def _print_SumOverOthers(self, total: Any) -> str:
        (index,) = total.indices
        parts = (total.function, total.rank, total.fixed)
        function, rank, fixed = (self._print(part) for part in parts)
        return f"SumOverOthers({function}, ({self._print(index)},), {rank}, {fixed})"

    def _print_IndexedProduct(self, product: Any) -> str:
        indices = "".join(f"{self._print(index)}, " for index in product.indices)
        return f"{type(product).__name__}({self._print(product.function)}, ({indices}), {self._print(product.rank)})"

    _print_IndexedSum = _print_IndexedProduct

    def _print_TimeDerivative(self, derivative: Any) -> str:
        return f"TimeDerivative({self._print(derivative.args[0])})"

    def _print_Relational(self, relation: Any) -> str:
        return f"Eq({self._print(relation.lhs)}, {self._print(relation.rhs)})"

    def _print_Rational(self, number: Any) -> str:
        return f"Rational({number.p}, {number.q})"


def identifier(symbol: Symbol) -> str:
    """A Python name for a symbol."""
    return re.sub(r"\W+", "_", symbol.name).strip("_")


def catalogue() -> str:
    """The theorems, each with what it claims and its reference."""
    lines = []
    for name, theorem in THEOREMS.items():
        summary = (theorem.derive.__doc__ or "").splitlines()[0]
        lines.append(f"{name:<24} {summary}  [{theorem.REFERENCE.short}]")
    return "\n".join(lines)


def as_python(derivation: Derivation) -> str:
    """Python code that defines the symbols and the result.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from derivations import DERIVATIONS
    >>> print(as_python(DERIVATIONS["multiplier"](DeepLinearNetwork(2, (2, 2)))).splitlines()[-1])
    result = sigma_k + sigma_l
    """
    definitions = _symbol_definitions(derivation.result.atoms(Symbol) - _letters(derivation.result))
    result = f"result = {CodePrinter().doprint(derivation.result)}"
    return "\n".join([f"# {derivation.name}: {derivation.network}", HEADER, *definitions, result])


def _letters(expression: Any) -> set[Symbol]:
    """The letters of forms with symbolic indices, which are no symbols by themselves."""
    return {form.args[0] for form in expression.atoms(IndexedSymbol)}


def _symbol_definitions(symbols: Iterable[Symbol]) -> list[str]:
    """A line of Python code for each symbol."""
    lines = []
    for symbol in sorted(symbols, key=str):
        known = "".join(f", {name}=True" for name in ("integer", "positive", "real") if symbol.assumptions0.get(name))
        lines.append(f"{identifier(symbol)} = Symbol({symbol.name!r}{known})")
    return lines


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
        "subject": list(derivation.subject),
        "result": written(derivation.result),
        "latex": typeset(derivation.result),
        "reference": str(derivation.reference),
    }


def flow_text(equations: Sequence[Eq], output_format: str) -> str:
    """The equations of a flow in one of the formats of `dln derive`."""
    if output_format == "latex":
        return equations_latex([Row(typeset(equation.lhs), typeset(equation.rhs)) for equation in equations])
    if output_format == "json":
        return json.dumps(
            [{"lhs": str(e.lhs), "rhs": written(e.rhs), "latex": typeset(e)} for e in equations], indent=2
        )
    if output_format == "python":
        system = Tuple(*equations)
        code = f"equations = {CodePrinter().doprint(system)}"
        return "\n".join([HEADER, *_symbol_definitions(system.free_symbols), code])
    return "\n".join(f"{equation.lhs} = {explicit(equation.rhs)}" for equation in equations)
