"""A step as Python code that defines its symbols and both of its sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sympy import Expr, Limit, Symbol, Tuple, preorder_traversal, srepr

from geometry.indexed import IndexedSymbol

from .step import Step
from .writing import CodePrinter, identifier

__all__ = ["step_as_python"]


class _StepPrinter(CodePrinter):
    """Code for expressions of steps, limits as well."""

    def _print_Limit(self, limit: Any) -> str:
        function, variable, point, direction = limit.args
        parts = ", ".join(map(self._print, (function, variable, point)))
        return f"Limit({parts}, dir={str(direction)!r})"


def step_as_python(step: Step) -> str:
    """Python code with both sides as `lhs` and `rhs`; it runs where SymPy and this package are installed.

    The sides are equal to those of the step; SymPy may multiply out a number that the step has in front of a sum.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a = Symbol("a", positive=True)
    >>> print(step_as_python(Step((a + 1) ** 2, a**2 + 2 * a + 1, "binomial formula")))
    # binomial formula
    from sympy import *
    <BLANKLINE>
    a = Symbol('a', positive=True)
    <BLANKLINE>
    lhs = (a + 1)**2
    rhs = a**2 + 2*a + 1
    """
    sides = Tuple(step.lhs, step.rhs)
    parts = list(preorder_traversal(sides))
    printer = _StepPrinter()
    return "\n".join(
        [
            f"# {step.reason}",
            "from sympy import *",
            *_imports(parts),
            "",
            *_definitions(parts),
            "",
            f"lhs = {printer.doprint(step.lhs)}",
            f"rhs = {printer.doprint(step.rhs)}",
        ]
    )


def _imports(parts: list[Expr]) -> Iterator[str]:
    """A line for each function of the package that occurs."""
    for kind in sorted({type(part) for part in parts}, key=lambda kind: kind.__name__):
        if not kind.__module__.startswith("sympy"):
            yield f"from {kind.__module__} import {kind.__name__}"


def _definitions(parts: list[Expr]) -> Iterator[str]:
    """A line for each symbol, with the assumptions that tell it from others of its name."""
    # The letter of a symbol with symbolic indices is none by itself, nor is the direction of a limit.
    no_symbols = {part.args[0] for part in parts if isinstance(part, IndexedSymbol)}
    no_symbols |= {part.args[3] for part in parts if isinstance(part, Limit)}
    for symbol in sorted({part for part in parts if isinstance(part, Symbol)} - no_symbols, key=str):
        yield f"{identifier(symbol)} = {srepr(symbol)}"
