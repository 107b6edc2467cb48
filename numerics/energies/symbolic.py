"""Energies written as SymPy expressions in the entries, with emitted gradients and Hessians."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sympy import Add, Dummy, Expr, Matrix, MatrixBase, Symbol, sympify

from geometry import Kernel, compile_kernel

from .protocol import Array, Point, as_array, check_shape
from .sums import Summable

__all__ = ["SymbolicEnergy"]


class SymbolicEnergy(Summable):
    """An energy given by a SymPy expression in the entries of X.

    Gradient and Hessian are derived, and compiled each as one kernel whose entries share their common
    subexpressions; the Hessian only when it is first asked for.

    Parameters
    ----------
    expression : Expr
        E, in the entries only.
    entries : Matrix or nested sequence of Symbol
        The symbols X_ij, (m, n).

    Raises
    ------
    ValueError, TypeError
        If the entries are no matrix of distinct symbols, the expression is no scalar or has others in it, or it
        or its derivatives cannot be compiled.

    Examples
    --------
    >>> import sympy
    >>> X = sympy.Matrix(sympy.symbols("a b c d", real=True)).reshape(2, 2)
    >>> energy = SymbolicEnergy((X[0, 0] - 1) ** 2 / 2, X)
    >>> energy(np.zeros((2, 2))), energy.gradient(np.zeros((2, 2))).tolist()
    (0.5, [[-1.0, 0.0], [0.0, 0.0]])
    >>> energy.hessian(np.zeros((2, 2)), np.ones((2, 2))).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    def __init__(self, expression: Expr, entries: MatrixBase | Sequence[Sequence[Symbol]]) -> None:
        if isinstance(expression, str):
            raise TypeError("expression must be a SymPy expression, not a string; see geometry.parse_expression")
        self.entries = Matrix(_require_symbols(entries))
        self.expression = sympify(expression)
        self.shape: tuple[int, int] = (int(self.entries.rows), int(self.entries.cols))
        if not isinstance(self.expression, Expr):
            raise TypeError(f"expression must be a scalar SymPy expression, not {type(self.expression).__name__}")
        arguments = list(self.entries)
        self._value: Kernel = compile_kernel(self.expression, arguments)
        self._slope = self.entries.applyfunc(self.expression.diff)
        self._gradient: Kernel = compile_kernel(self._slope, arguments)

    @cached_property
    def _hessian(self) -> Kernel:
        """The sum over the entries of their second derivatives times those of a direction."""
        direction = self.entries.applyfunc(lambda entry: Dummy(f"d{entry}", real=True))
        pairs = list(zip(self.entries, direction, strict=True))
        along = self._slope.applyfunc(lambda slope: Add(*(slope.diff(entry) * change for entry, change in pairs)))
        return compile_kernel(along, [*self.entries, *direction])

    def __call__(self, X: Point) -> float:
        """E(X)."""
        check_shape("X", X, self.shape)
        return float(self._value(*as_array(X).ravel()))

    def gradient(self, X: Point) -> Array:
        """∇E(X), (m, n)."""
        check_shape("X", X, self.shape)
        return np.asarray(self._gradient(*as_array(X).ravel()))

    def hessian(self, X: Point, Z: Point) -> Array:
        """The derivative of ∇E at X along Z, (m, n)."""
        check_shape("X", X, self.shape)
        check_shape("Z", Z, self.shape)
        return np.asarray(self._hessian(*as_array(X).ravel(), *as_array(Z).ravel()))


def _require_symbols(entries: Any) -> Any:
    """The entries, unless one is text, which SymPy would evaluate."""
    rows = entries if isinstance(entries, list | tuple) else [entries]
    given = [entry for row in rows for entry in (row if isinstance(row, list | tuple) else [row])]
    if any(isinstance(entry, str) for entry in given):
        raise TypeError("entries must be symbols, not strings; see sympy.symbols")
    return entries
