"""What a step can be asked: whether it holds, what it says at other values, and its right-hand side as a function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import mpmath
from sympy import Add, Expr, Float, Integer, Limit, Mul, Symbol, nan, oo, zoo

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.indexed import IndexedProduct, IndexedSum
from geometry.substitution import network_symbols, substituted_network, values_of_symbols

from .derivation import BOUNDS, DIGITS, ROUTES, CheckResult, DerivationError
from .step import Step
from .step_checks import step_residual

__all__ = ["checked_step", "step_kernel", "substituted_step"]


def checked_step(step: Step, route: str, network: DeepLinearNetwork | None = None) -> CheckResult:
    """Check a step by itself; its name in the result is its reason.

    Raises
    ------
    DerivationError
        If the sides differ.
    ValueError
        If the route is unknown, no network is known, or the route does not go with the values that were put in: the
        exact one chooses N-th powers itself, so that roots are rational, the precise one takes no floating-point
        numbers.
    """
    if route not in ROUTES:
        raise ValueError(f"route must be one of {', '.join(map(repr, ROUTES))}, not {route!r}")
    network = network or step.network
    if network is None:
        raise ValueError("network must be given for a step that belongs to no derivation: step.check(route, network)")
    _require_values_for(route, step)
    with mpmath.workdps(DIGITS + 15):
        residual = step_residual(step, network, route)
    if not residual <= BOUNDS[route]:
        raise DerivationError(
            f"route {route}: the step ({step.reason}) fails: residual {residual:.3g} > {BOUNDS[route]:.3g}"
        )
    return CheckResult(step.reason, route, True, residual, BOUNDS[route])


def _require_values_for(route: str, step: Step) -> None:
    if route == "exact" and step.values:
        names = ", ".join(f"{symbol} = {value}" for symbol, value in step.values.items())
        raise ValueError(
            f"route 'exact' chooses its own values, and {names} was put in: use route 'precise' or 'float'"
        )
    if route == "precise" and any(value.has(Float) for value in step.values.values()):
        raise ValueError(
            "route 'precise' takes no floating-point numbers: use route 'float', or put in Rational(3, 10) for 0.3"
        )


def substituted_step(step: Step, values: Mapping[Any, Any] | None, named: Mapping[str, Any]) -> Step:
    """The step with values for its symbols, and its network with those for depth, rank and sides.

    The variable of a limit is bound, and stays.  Where the rank gets a number, sums and products over the singular
    values are written out.

    Raises
    ------
    ValueError
        If a symbol or name does not occur, or a value is no number or expression, or not finite.
    """
    sizes = network_symbols(step.network) if step.network else set()
    found = values_of_symbols(_symbols(step) | sizes, values, named)
    for symbol, value in found.items():
        if value.has(oo, -oo, zoo, nan):
            raise ValueError(
                f"the value of {symbol} must be finite, not {value}; see derivation.subs for infinite depth"
            )

    def put(expression: Any) -> Any:
        bound = {part.args[1] for part in expression.atoms(Limit)}
        result = expression.subs({symbol: value for symbol, value in found.items() if symbol not in bound})
        return result.replace(lambda part: isinstance(part, (IndexedProduct, IndexedSum)), _written_out)

    return replace(
        step,
        lhs=put(step.lhs),
        rhs=put(step.rhs),
        shown=step.shown and (put(step.shown[0]), put(step.shown[1])),
        where={symbol: put(value) for symbol, value in step.where.items()},
        values={**step.values, **{symbol: value for symbol, value in found.items() if symbol not in sizes}},
        network=step.network
        and substituted_network(step.network, {symbol: found[symbol] for symbol in sizes if symbol in found}),
    )


def _written_out(part: Expr) -> Expr:
    """A sum or product over the singular values with its terms; sums over the layers in them stay, unlike in `doit`."""
    if not isinstance(part.rank, Integer) or type(part) not in (IndexedProduct, IndexedSum):
        return part.doit()
    chosen = combinations(range(1, int(part.rank) + 1), len(part.indices))
    terms = [part.function.xreplace(dict(zip(part.indices, map(Integer, places), strict=True))) for places in chosen]
    return (Add if isinstance(part, IndexedSum) else Mul)(*terms)


def _symbols(step: Step) -> set[Symbol]:
    """Those that a value can be put in for."""
    return set().union(*(side.free_symbols for side in (step.lhs, step.rhs, *step.sides, *step.where.values())))


def step_kernel(step: Step, backend: str) -> Kernel:
    """The right-hand side, compiled to a function of its symbols in the order of their names.

    Raises
    ------
    ValueError
        If it has no kernel, as for a symbolic rank.
    """
    side: Expr = step.rhs
    return compile_kernel(side, sorted(side.free_symbols, key=str), backend)
