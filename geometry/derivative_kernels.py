"""Kernels of exact derivatives: gradients, Jacobians and Hessians of expressions, by SymPy.

Derivatives of means are divided differences, so that they are accurate where singular values coalesce; what the
entries of a matrix have in common is evaluated once, and so are the two halves of a symmetric one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Abs, Expr, Matrix, MatrixBase, Pow, Symbol, sign, sympify

from .kernels import Kernel, compile_kernel

__all__ = ["gradient_kernel", "hessian_kernel", "jacobian_kernel"]


def gradient_kernel(
    expression: Expr, arguments: Sequence[Symbol], backend: str = "numpy", variables: Sequence[Symbol] | None = None
) -> Kernel:
    """Compile the gradient of an expression.

    Parameters
    ----------
    expression : Expr
        Real, in the arguments only.
    arguments : sequence of Symbol
        The order of the call.
    backend : {"numpy", "mpmath", "jax", "numba"}
    variables : sequence of Symbol, optional
        What to differentiate by; all arguments unless given.

    Returns
    -------
    Kernel
        Returns shape (…, n), n the number of variables.

    Raises
    ------
    TypeError, ValueError
        If `compile_kernel` does, if the expression is a matrix or a sequence, or if a variable is no argument.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> gradient = gradient_kernel(network.multiplier(0, 1), network.singular_values)
    >>> gradient(1.0, 1.0).round(12).tolist()
    [2.0, 2.0]
    """
    if isinstance(expression, (MatrixBase, list, tuple)):
        raise TypeError("expression must be a single expression; use jacobian_kernel for several")
    over = _variables(arguments, variables)
    return compile_kernel([_derivative(expression, variable) for variable in over], arguments, backend)


def jacobian_kernel(
    expressions: Any, arguments: Sequence[Symbol], backend: str = "numpy", variables: Sequence[Symbol] | None = None
) -> Kernel:
    """Compile the Jacobian matrix ∂f_i/∂x_j of several expressions.

    Parameters
    ----------
    expressions : Matrix or sequence of Expr
        f_i, real, in the arguments only; the entries of a matrix row by row.
    arguments, backend, variables
        As of `gradient_kernel`.

    Returns
    -------
    Kernel
        Returns shape (…, m, n), m the number of expressions, n that of variables.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> jacobian_kernel([a * b, a + b, a**2], (a, b))(2.0, 3.0).tolist()
    [[3.0, 2.0], [1.0, 1.0], [4.0, 0.0]]
    """
    over = _variables(arguments, variables)
    return compile_kernel(Matrix([[_derivative(f, x) for x in over] for f in expressions]), arguments, backend)


def hessian_kernel(
    expression: Expr, arguments: Sequence[Symbol], backend: str = "numpy", variables: Sequence[Symbol] | None = None
) -> Kernel:
    """Compile the matrix of second derivatives of an expression.

    Parameters
    ----------
    expression, arguments, backend, variables
        As of `gradient_kernel`.

    Returns
    -------
    Kernel
        Returns shape (…, n, n), symmetric to the last bit.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> hessian_kernel(network.multiplier(0, 1), network.singular_values)(1.0, 1.0).round(12).tolist()
    [[0.222222222222, 0.444444444444], [0.444444444444, 0.222222222222]]
    """
    over = _variables(arguments, variables)
    first = [_derivative(expression, variable) for variable in over]
    entries = {(i, j): _derivative(first[i], over[j]) for i in range(len(over)) for j in range(i, len(over))}
    size = len(over)
    return compile_kernel(Matrix(size, size, lambda i, j: entries[min(i, j), max(i, j)]), arguments, backend)


def _variables(arguments: Sequence[Symbol], variables: Sequence[Symbol] | None) -> tuple[Symbol, ...]:
    arguments = (arguments,) if isinstance(arguments, Symbol) else tuple(arguments)
    chosen = arguments if variables is None else tuple(variables)
    for variable in chosen:
        if variable not in arguments:
            raise ValueError(f"variables must be among the arguments {arguments}, not {variable!r}")
    return chosen


def _derivative(expression: Any, variable: Symbol) -> Expr:
    if isinstance(expression, str):
        raise TypeError("expression must be a SymPy expression, not a string; use geometry.parse_expression")
    derivative = sympify(expression).diff(variable)
    # d log |f| = df/f, which SymPy writes as sign(f) df/|f|.
    inverse = derivative.replace(
        lambda part: isinstance(part, Pow) and isinstance(part.base, Abs) and part.exp == -1,
        lambda part: sign(part.base.args[0]) / part.base.args[0],
    )
    return inverse.replace(
        lambda part: isinstance(part, Pow) and isinstance(part.base, sign) and part.exp.is_even, lambda part: part**0
    )
