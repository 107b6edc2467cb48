"""The functions that a flow calls, as machine code with fixed types: multipliers and gradients of energies.

They are passed as addresses, so that what calls them need not be compiled again for another depth or energy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numba import cfunc, float64, types
from numpy.typing import NDArray
from sympy import Expr, ImmutableMatrix, Symbol, symbols

from geometry import DeepLinearNetwork, compile_kernel

from ..energies import Energy, SymbolicEnergy
from .machine_code import compiled

__all__ = ["affine_data", "affine_gradient", "multipliers", "symbolic_gradient"]

Array = NDArray[np.float64]

ONE_NUMBER = float64(float64)
TWO_NUMBERS = float64(float64, float64)
GRADIENT = types.void(float64[:, ::1], float64[::1], float64[:, ::1])
"""Of X, the energy's data and where to put the gradient."""

AFFINE_TOLERANCE = 1e-10


def multipliers(network: DeepLinearNetwork) -> tuple[int, int]:
    """The addresses of λ(a, b) and λ(a, 0)/a, which stay valid."""
    a, b = symbols("a b", positive=True)
    pair = _emitted_pair(network.pair_multiplier(a, b), a, b)
    return pair.address, _emitted_rate(network.pair_null_multiplier(a) / a, a).address


@cache
def _emitted_pair(expression: Expr, a: Symbol, b: Symbol) -> Any:
    function = compile_kernel(expression, (a, b), backend="numba").function

    def pair(first: float, second: float) -> Any:
        return function(first, second)

    return cfunc(TWO_NUMBERS)(pair)


@cache
def _emitted_rate(expression: Expr, a: Symbol) -> Any:
    function = compile_kernel(expression, (a,), backend="numba").function

    def rate(value: float) -> Any:
        return function(value)

    return cfunc(ONE_NUMBER)(rate)


def symbolic_gradient(energy: SymbolicEnergy) -> Any:
    """∇E, emitted from the expression; it has no data."""
    return _emitted_gradient(energy.expression, energy.entries.as_immutable())


@lru_cache(maxsize=64)
def _emitted_gradient(expression: Expr, entries: ImmutableMatrix) -> Any:
    function = compile_kernel(entries.applyfunc(expression.diff), list(entries), backend="numba").function
    places = [f"[{i}, {j}]" for i in range(entries.rows) for j in range(entries.cols)]
    results = "".join(f"result{place}, " for place in places)
    source = f"def gradient(X, data, result):\n    {results}= function({', '.join(f'X{place}' for place in places)})\n"
    namespace: dict[str, Callable[..., Any]] = {"function": function}
    exec(source, namespace)
    return cfunc(GRADIENT)(namespace["gradient"])


@lru_cache(maxsize=1)
def affine_gradient() -> Any:
    """∇E(X) = ∇E(0) + H X of a quadratic energy, whose data are ∇E(0) and H."""

    @compiled
    def gradient(X: Any, data: Any, result: Any) -> None:
        m, n = X.shape
        row, place = 0, m * n
        for i in range(m):
            for j in range(n):
                total = data[row]
                for k in range(m):
                    for l in range(n):
                        total += data[place] * X[k, l]
                        place += 1
                result[i, j] = total
                row += 1

    def gradient_at_addresses(X: Any, data: Any, result: Any) -> None:
        gradient(X, data, result)

    return cfunc(GRADIENT)(gradient_at_addresses)


def affine_data(energy: Energy) -> Array:
    """The data of a quadratic energy, (mn + (mn)²,), from its gradients.

    Raises
    ------
    TypeError
        If the energy is not quadratic: then only an expression can be compiled.
    """
    m, n = energy.shape
    size = m * n
    offset = _dense_gradient(energy, np.zeros((m, n)))
    hessian = np.empty((size, size))
    for place in range(size):
        unit = np.zeros((m, n))
        unit.flat[place] = 1.0
        hessian[:, place] = _change(energy, unit, offset).ravel()
    generator = np.random.default_rng(0)
    for size_of_point in (0.1, 10.0):
        X = size_of_point * generator.standard_normal((m, n))
        expected = offset.ravel() + hessian @ X.ravel()
        error = np.abs(_dense_gradient(energy, X).ravel() - expected).max()
        if not error <= AFFINE_TOLERANCE * (1 + np.abs(expected).max()):
            raise TypeError(
                f"energy must be a SymbolicEnergy or quadratic, such as MatrixCompletion, to be compiled; "
                f"{type(energy).__name__} is neither: run gradient_flow in an ensemble instead"
            )
    return np.concatenate([offset.ravel(), hessian.ravel()])


def _change(energy: Any, direction: Array, offset: Array) -> Array:
    """H Z: exact where the energy says so, as differences would round what is far below ∇E(0)."""
    if hasattr(energy, "hessian"):
        change = energy.hessian(np.zeros_like(direction), direction)
        return np.asarray(change.toarray() if hasattr(change, "toarray") else change)
    return _dense_gradient(energy, direction) - offset


def _dense_gradient(energy: Energy, X: Array) -> Array:
    slope = energy.gradient(X)
    return np.asarray(slope.toarray() if hasattr(slope, "toarray") else slope, dtype=np.float64)
