"""Values for the symbols of networks and formulas, by symbol or by name.

A symbol is told from another of the same name by its assumptions: the `Symbol("N")` of a user is not
the positive N of a network, and SymPy's `subs` would leave it alone without a word.  Here names find
the symbol whatever its assumptions are, and a symbol or name that does not occur is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sympy import Expr, Symbol, sympify

from .network import DeepLinearNetwork

__all__ = ["network_symbols", "substituted_network", "values_of_symbols"]


def values_of_symbols(
    symbols: Iterable[Symbol], values: Mapping[Any, Any] | None = None, named: Mapping[str, Any] | None = None
) -> dict[Symbol, Expr]:
    """What each symbol is to be replaced by.

    Parameters
    ----------
    symbols : iterable of Symbol
        Those that occur.
    values : mapping, optional
        Values by symbol or by name.
    named : mapping, optional
        More values by name.

    Raises
    ------
    ValueError
        If a symbol or name does not occur, naming those that do, or a value is text or a bool, or no
        expression.

    Examples
    --------
    >>> from sympy import symbols
    >>> N, a = symbols("N a", positive=True)
    >>> values_of_symbols([N, a], {a: 2}, {"N": 3}) == {a: 2, N: 3}
    True
    """
    occurring = sorted(set(symbols), key=str)
    found: dict[Symbol, Expr] = {}
    for key, value in {**(values or {}), **(named or {})}.items():
        expression = _expression(key, value)
        matching = [symbol for symbol in occurring if key in (symbol, symbol.name)]
        if not matching:
            raise ValueError(_unknown(key, occurring))
        found |= dict.fromkeys(matching, expression)
    return found


def _expression(key: Any, value: Any) -> Expr:
    if isinstance(value, (str, bool)):
        raise ValueError(f"the value of {key} must be a number or an expression, not {value!r}")
    try:
        expression = sympify(value, strict=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the value of {key} must be a number or an expression, not {value!r}") from error
    if not isinstance(expression, Expr):
        raise ValueError(f"the value of {key} must be a number or an expression, not {value!r}")
    return expression


def _unknown(key: Any, occurring: list[Symbol]) -> str:
    if any(symbol.name == str(key) for symbol in occurring):
        return (
            f"{key} occurs with other assumptions than yours; give its value by name: subs({key}=…) or "
            f"subs({{{str(key)!r}: …}})"
        )
    names = ", ".join(symbol.name for symbol in occurring) or "none"
    return f"{key} does not occur; the symbols that do: {names}"


def network_symbols(network: DeepLinearNetwork) -> set[Symbol]:
    """The symbols among depth, rank and shape."""
    return {size for size in (network.depth, network.rank, *network.shape) if isinstance(size, Symbol)}


def substituted_network(
    network: DeepLinearNetwork, values: Mapping[Any, Any] | None = None, named: Mapping[str, Any] | None = None
) -> DeepLinearNetwork:
    """The network with values for a symbolic depth, rank or side.

    Raises
    ------
    ValueError
        As of `values_of_symbols`, and as of the network where the sizes make no sense.
    """
    found = values_of_symbols(network_symbols(network), values, named)
    depth, rank, m, n = (found.get(size, size) for size in (network.depth, network.rank, *network.shape))
    return DeepLinearNetwork(depth, (m, n), rank, network.field, network.rescaled)
