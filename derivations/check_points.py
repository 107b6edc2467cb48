"""The numeric points at which results are checked, and the values of expressions there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Symbol

from geometry import DeepLinearNetwork, compile_kernel

from .definition import ExactPoint, FloatPoint, Point, PrecisePoint

__all__ = ["instances", "value_at", "values_at"]

POINTS: dict[str, type[Point]] = {"exact": ExactPoint, "precise": PrecisePoint, "float": FloatPoint}
CHECK_DEPTHS = (1, 2, 3, 5)
"""The depths at which formulas for symbolic depth are held against the definition."""


def instances(network: DeepLinearNetwork, route: str) -> list[tuple[DeepLinearNetwork, dict[Symbol, Any], Point]]:
    """Numeric instances of a network: itself with its symbols replaced, the replacements, and a point.

    A symbolic depth goes through several integers, symbolic sides become small numbers.
    """
    replaced: dict[Symbol, Any] = {}
    sides = []
    for extra, side in enumerate(network.shape, 1):
        sides.append(side if isinstance(side, int) else replaced.setdefault(side, network.coframe.rank + extra))
    depths = CHECK_DEPTHS if isinstance(network.depth, Symbol) else (network.depth,)
    found = []
    for depth in depths:
        values = {**replaced, network.depth: depth} if isinstance(network.depth, Symbol) else dict(replaced)
        numeric = DeepLinearNetwork(depth, (sides[0], sides[1]), network.rank, network.field, network.rescaled)
        found.append(
            (numeric, values, POINTS[route](numeric.depth, (sides[0], sides[1]), network.coframe.rank, seed=7))
        )
    return found


def value_at(expression: Expr, values: dict[Symbol, Any], route: str) -> Any:
    """The value of an expression at numbers: exactly, to fifty digits, or by its compiled kernel."""
    return values_at([expression], values, route)[0]


def values_at(expressions: Sequence[Expr], values: dict[Symbol, Any], route: str) -> list[Any]:
    """The values of several expressions, compiled together."""
    if route == "exact":
        return [expression.xreplace(values).doit() for expression in expressions]
    free = set().union(*(expression.free_symbols for expression in expressions))
    present = [symbol for symbol in values if symbol in free]
    kernel = compile_kernel(list(expressions), present, "mpmath" if route == "precise" else "numpy")
    return list(kernel(*(values[symbol] for symbol in present)))
