"""Whether the two sides of a step are equal, by each of the three routes."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
from sympy import Expr, Float, Integer, Limit, Rational, S, Sum, Symbol, exp, expand_log, simplify, sympify

from geometry import DeepLinearNetwork, compile_kernel, explicit
from geometry.indexed import IndexedProduct, IndexedSum

from .step import Step

__all__ = ["step_residual"]

DEPTHS = {
    "exact": (Rational(2), Rational(3), Rational(4)),
    "precise": (Rational(7, 2), Rational(12)),
    "float": (Rational(5),),
}
"""Values for a symbolic depth; only the closed forms without a sum take one that is no integer."""
FAR = 10**14
"""The depth at which limits are extrapolated: the remainder after three terms is 1/FAR³."""
RANK = 3
"""The rank at which steps for symbolic rank are checked."""


def step_residual(step: Step, network: DeepLinearNetwork, route: str) -> float:
    """The relative difference of the sides of a step, the largest over a few random points."""
    step = _with_explicit_sizes(step, network)
    if isinstance(step.lhs, Limit):
        return {"exact": _limit_by_series, "precise": _limit_by_extrapolation}.get(route, _no_kernel)(step)
    symbols = sorted(step.lhs.free_symbols | step.rhs.free_symbols, key=str)
    depth = network.depth if isinstance(network.depth, Symbol) else None
    if route == "exact" and network.is_infinitely_deep:
        difference = expand_log(explicit(step.lhs - step.rhs).rewrite(exp), force=True)
        return 0.0 if simplify(difference) == 0 else 1.0
    worst = 0.0
    for trial, value in enumerate(DEPTHS[route] if depth in symbols else (None,)):
        if value is not None and step.lhs.has(Sum) and not value.is_integer:
            continue
        numbers = _numbers(symbols, route, trial, network, value)
        worst = max(worst, _difference(step, numbers, route))
    return worst


def _with_explicit_sizes(step: Step, network: DeepLinearNetwork) -> Step:
    """The step with numbers for a symbolic rank and shape, sums and products over their indices written out."""
    sizes = {network.rank: Integer(RANK)} if isinstance(network.rank, Symbol) else {}
    for extra, side in enumerate(network.shape, 1):
        if isinstance(side, Symbol):
            sizes.setdefault(side, sizes.get(network.rank, sympify(network.rank)) + extra)
    if not sizes:
        return step
    return Step(_written_out(step.lhs.subs(sizes)), _written_out(step.rhs.subs(sizes)), step.reason)


def _written_out(side: Expr) -> Expr:
    """An expression with its sums and products over indices written out; sums over layers and limits stay."""
    return side.replace(lambda part: isinstance(part, (IndexedProduct, IndexedSum)), lambda part: part.doit())


def _numbers(
    symbols: list[Symbol], route: str, trial: int, network: DeepLinearNetwork, depth: Rational | None
) -> dict[Symbol, Any]:
    """Random rational values; on the exact route positive symbols are N-th powers, so that roots are rational.

    On the precise route they are rounded: exact sums of many roots take minutes to multiply out.
    """
    generator = np.random.default_rng(trial)
    power = depth if depth is not None else (network.depth if isinstance(network.depth, Integer) else S.One)
    numbers: dict[Symbol, Any] = {}
    taken = set()
    for symbol in symbols:
        if symbol == network.depth and depth is not None:
            numbers[symbol] = depth
            continue
        value = Rational(int(generator.integers(2, 40)), 7)
        while value in taken:
            value += Rational(1, 7)
        taken.add(value)
        if symbol.is_integer:
            numbers[symbol] = Rational(len(numbers) + 1)
        elif route == "exact":
            numbers[symbol] = value**power if symbol.is_positive else value
        else:
            numbers[symbol] = Float(value, mpmath.mp.dps)
    return numbers


def _difference(step: Step, numbers: dict[Symbol, Any], route: str) -> float:
    if route == "float":
        return _kernel_difference(step, numbers)
    left, right = (_value(side, numbers, route) for side in (step.lhs, step.rhs))
    if route == "exact":
        # Both sides carry the same roots of N, if any: compare squares, which are rational, and signs.
        equal = simplify(left**2 - right**2) == 0 and simplify(left * right) >= 0
        return 0.0 if equal else max(1e-300, abs(float(left - right)))
    return float(abs(left - right) / max(abs(right), mpmath.mpf(10) ** -30))


def _value(side: Expr, numbers: dict[Symbol, Any], route: str) -> Any:
    value = side.subs(numbers).doit()
    return value.rewrite(exp) if route == "exact" else mpmath.mpf(value.evalf(mpmath.mp.dps)._to_mpmath(mpmath.mp.prec))


def _kernel_difference(step: Step, numbers: dict[Symbol, Any]) -> float:
    """The compiled right-hand side against the left-hand side at thirty digits."""
    symbols = [symbol for symbol in numbers if symbol in step.rhs.free_symbols]
    kernel = compile_kernel(step.rhs, symbols)
    compiled = float(kernel(*(float(numbers[symbol]) for symbol in symbols)))
    rounded = {symbol: Float(float(value), 30) if value.has(Float) else value for symbol, value in numbers.items()}
    expected = float(step.lhs.subs(rounded).doit().evalf(30))
    return abs(compiled - expected) / max(abs(expected), 1e-30)


def _limit_by_series(step: Step) -> float:
    """The limit as the constant term of the series in h = 1/N, at σ = exp(rational)."""
    function, variable, _, _ = step.lhs.args
    generator = np.random.default_rng(1)
    symbols = sorted((function.free_symbols | step.rhs.free_symbols) - {variable}, key=str)
    values = {s: exp(Rational(int(generator.integers(1, 30)), 4) + 10 * i) for i, s in enumerate(symbols)}
    inverse = Symbol("h", positive=True)
    series = explicit(function).subs(values).subs(variable, 1 / inverse).series(inverse, 0, 1).removeO()
    constant = series.subs(inverse, 0)
    return 0.0 if simplify(constant - explicit(step.rhs).subs(values)) == 0 else 1.0


def _limit_by_extrapolation(step: Step) -> float:
    """The limit from three large depths: (8 f(4N) - 6 f(2N) + f(N))/3 leaves a remainder in N^-3."""
    function, variable, _, _ = step.lhs.args
    symbols = sorted((function.free_symbols | step.rhs.free_symbols) - {variable}, key=str)
    values = {s: Rational(5 + 3 * i, 7 + i) for i, s in enumerate(reversed(symbols))}
    digits = 4 * mpmath.mp.dps

    def at(depth: int) -> Expr:
        return explicit(function).subs(values).subs(variable, depth).evalf(digits)

    limit = (8 * at(4 * FAR) - 6 * at(2 * FAR) + at(FAR)) / 3
    expected = explicit(step.rhs).subs(values).evalf(digits)
    return float(abs(limit - expected) / max(abs(expected), Float(1)))


def _no_kernel(step: Step) -> float:
    """A limit has no kernel; its value is checked with the result."""
    return 0.0
