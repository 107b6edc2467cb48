r"""Sums and products over all k, or over all pairs k < l, as one sum or product.

The expressions of an explicit rank have all their terms written out. On paper one writes \prod_{k<l}: terms that
are the same up to their indices, with all indices from 1 to n there, are gathered, for n of at least three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from sympy import Add, Basic, Expr, Integer, Mul, Symbol, Tuple, symbols

from geometry.coframe import IndexedForm, OneForm
from geometry.indexed import IndexedProduct, IndexedSum, IndexedSymbol, SingularValue

__all__ = ["gathered", "gathered_equations", "generic"]

INDICES: tuple[Symbol, Symbol] = symbols("k l", integer=True, positive=True)
LABELLED = re.compile(r"(?P<letter>.*\D)_(?P<labels>\d{1,2})$")
FEWEST = 3
"""Two terms are written out."""


def gathered(expression: Any) -> Any:
    r"""The expression with its terms over all indices gathered; `doit` writes them out again.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, c, N = symbols("sigma_1 sigma_2 sigma_3 N", positive=True)
    >>> gathered(N * a**2 + N * b**2 + N * c**2)
    N*Sum(sigma_k**2, k <= 3)
    >>> gathered((a - b) * (a - c) * (b - c))
    Product(sigma_k - sigma_l, k < l <= 3)
    """
    if not isinstance(expression, Expr) or expression.is_Atom or expression.is_commutative is False:
        return expression
    if isinstance(expression, (IndexedSum, IndexedProduct)) or any(isinstance(arg, Tuple) for arg in expression.args):
        return expression  # has indices of its own
    arguments = [gathered(argument) for argument in expression.args]
    if isinstance(expression, Add):
        return _collected(arguments, Add, IndexedSum)
    if isinstance(expression, Mul):
        return _collected(arguments, Mul, IndexedProduct)
    return expression if tuple(arguments) == expression.args else expression.func(*arguments)


def _collected(arguments: Sequence[Expr], combine: Any, over_indices: Any) -> Expr:
    families: dict[Expr, dict[tuple[int, ...], Expr]] = {}
    left = []
    for argument in arguments:
        pattern, labels = generic(argument)
        if labels:
            families.setdefault(pattern, {})[labels] = argument
        else:
            left.append(argument)
    patterns: dict[tuple[int, int], list[Expr]] = {}
    for pattern, members in families.items():
        order = _complete_order(members)
        if order is None:
            left += members.values()
        else:
            patterns.setdefault(order, []).append(pattern)
    if not patterns:
        return combine(*arguments)
    gathered_terms = [
        over_indices(function, INDICES[:count], Integer(size))
        for (count, size), functions in patterns.items()
        for function in ([Mul(*functions)] if combine is Mul else functions)
    ]
    return combine(*left, *gathered_terms)


def generic(expression: Basic) -> tuple[Any, tuple[int, ...]]:
    """The expression in k and l for its one or two indices, and these; with none or more, itself and ()."""
    found = {symbol: LABELLED.match(symbol.name) for symbol in expression.atoms(Symbol)}
    matches = {symbol: match for symbol, match in found.items() if match is not None}
    labels = sorted({int(label) for match in matches.values() for label in match["labels"]} - {0})
    if not 1 <= len(labels) <= len(INDICES) or set(INDICES) & expression.atoms(Symbol):
        return expression, ()
    names = {0: Integer(0), **dict(zip(labels, INDICES, strict=False))}
    renamed = {
        symbol: _with_indices(symbol, match["letter"], [names[int(label)] for label in match["labels"]])
        for symbol, match in matches.items()
    }
    return expression.xreplace(renamed), tuple(labels)


def _with_indices(symbol: Symbol, letter: str, indices: Sequence[Any]) -> Expr:
    if letter == "sigma" and len(indices) == 1:
        return SingularValue(indices[0])
    if all(index == 0 for index in indices):
        return symbol
    form = isinstance(symbol, OneForm) or not symbol.is_positive
    return (IndexedForm if form else IndexedSymbol)(letter, *indices)


def _complete_order(labels: Iterable[tuple[int, ...]]) -> tuple[int, int] | None:
    """(number of indices, n) where these are all the indices, or all the pairs, up to n."""
    given = sorted(labels)
    size = max(map(max, given))
    for count in (1, 2):
        if given == list(combinations(range(1, size + 1), count)) and size >= FEWEST:
            return count, size
    return None


def gathered_equations(equations: Mapping[Expr, Expr]) -> list[tuple[Expr, Expr]]:
    """Equations such as λ_11 = …, λ_22 = …, each family that is complete as one equation in k and l."""
    families: dict[Any, dict[tuple[int, ...], tuple[Expr, Expr]]] = {}
    rows: list[tuple[Expr, Expr]] = []
    for left, right in equations.items():
        # Factors are compared by value, not as objects: a Tuple carries both sides through the renaming.
        pattern, labels = generic(Tuple(left, right))
        families.setdefault(pattern, {})[labels] = (left, right)
    for pattern, members in families.items():
        complete = all(members) and _complete_order(members) is not None
        rows += [tuple(pattern)] if complete else list(members.values())
    return rows
