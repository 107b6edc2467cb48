"""The numeric points at which results are checked, and the values of expressions there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Symbol

from geometry import DeepLinearNetwork, compile_kernel
from geometry.indexed import IndexedProduct, IndexedSum

from .definition import ExactPoint, FloatPoint, Point, PrecisePoint

__all__ = ["at_instance", "instances", "numeric_network", "value_at", "values_at"]

POINTS: dict[str, type[Point]] = {"exact": ExactPoint, "precise": PrecisePoint, "float": FloatPoint}
CHECK_DEPTHS = (1, 2, 3, 5)
"""The depths at which formulas for symbolic depth are held against the definition."""
CHECK_RANKS = (2, 3)
"""The ranks at which formulas for symbolic rank are."""


def instances(network: DeepLinearNetwork, route: str) -> list[tuple[DeepLinearNetwork, dict[Symbol, Any], Point]]:
    """Numeric instances of a network: itself with its symbols replaced, the replacements, and a point.

    A symbolic depth goes through several integers, a symbolic rank through 2 and 3; symbolic sides become small
    numbers.
    """
    depths = CHECK_DEPTHS if isinstance(network.depth, Symbol) else (network.depth,)
    ranks = CHECK_RANKS if isinstance(network.rank, Symbol) else (network.rank,)
    found = []
    for depth in depths:
        for rank in ranks:
            numeric, values = numeric_network(network, depth, rank)
            point = POINTS[route](numeric.depth, numeric.shape, rank, seed=7, field=network.field)  # type: ignore[arg-type]
            found.append((numeric, values, point))
    return found


def numeric_network(network: DeepLinearNetwork, depth: Any, rank: Any) -> tuple[DeepLinearNetwork, dict[Symbol, Any]]:
    """The network at a depth and a rank, with numbers for symbolic sides, and what its symbols were replaced by."""
    given = ((network.depth, depth), (network.rank, rank))
    values: dict[Symbol, Any] = {symbol: value for symbol, value in given if isinstance(symbol, Symbol)}
    for extra, side in enumerate(network.shape, 1):
        if isinstance(side, Symbol):
            values.setdefault(side, rank + extra)
    m, n = (values.get(side, side) for side in network.shape)
    return DeepLinearNetwork(depth, (m, n), rank, network.field, network.rescaled), values


def at_instance(expression: Expr, values: dict[Symbol, Any]) -> Expr:
    """An expression of a network at its numeric instance: sums and products over a symbolic rank are written out."""
    return expression.subs(values).doit() if expression.has(IndexedSum, IndexedProduct) else expression.subs(values)


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
