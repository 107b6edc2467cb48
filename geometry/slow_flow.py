r"""The slow flow of the spaces at large depth, in plain time.

In X = U S Vᵀ, with orthonormal U, V and any r x r block S = P D Qᵀ, the block moves at rates of the order N and the
spaces at rates of the order 1:

    dU/dt = -(I - U Uᵀ) ∇E(X) V Q D^{-1} λ(D, 0) Pᵀ,    λ(σ, 0)/σ = σ^{1-2/N} → σ,

likewise V.  For N ≫ (σ_1/σ_r)² the block is slaved to the minimizer S*(U, V) of E(U S Vᵀ), where Uᵀ ∇E V = 0, and to
leading order in 1/N (Q D Pᵀ = Sᵀ) the spaces follow

    dU/dt = -(I - U Uᵀ) ∇E(U S* Vᵀ) V S*ᵀ,    dV/dt = -(I - V Vᵀ) ∇E(U S* Vᵀ)ᵀ U S*.

By the envelope theorem this is the Frobenius gradient flow of min_S E(U S Vᵀ) on pairs of spaces, so
dE/dt = -|dU/dt|² - |dV/dt|².  For E = ½ |X - M|² the block is Uᵀ M V and dU/dt = (I - U Uᵀ) M V Vᵀ Mᵀ U; with V
square, dU/dt = (I - U Uᵀ) M Mᵀ U, Oja's flow: U(t) spans the columns of exp(t M Mᵀ) U(0).

Source: the multiplier against zero, Cohen, Menon, Veraszto, arXiv 2210.12497; Oja, J. Math. Biology 15 (1982).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from sympy import Dummy, Eq, Expr, Matrix, MatrixBase, Rational, Symbol, eye, prime, sympify, zeros

from .coframe import SingularCoframe
from .network import DeepLinearNetwork
from .volume import leading_term

__all__ = ["SlowFlow", "slow_flow", "space_mobility"]


@dataclass(frozen=True)
class SlowFlow:
    """The reduced flow of one energy, to leading order in 1/N.

    Attributes
    ----------
    left, right : Matrix
        U (m, r) and V (n, r), in symbols U_ik and V_jk; they are orthonormal.
    block : Matrix
        S*(U, V), (r, r); symbols S_kl where it solves `block_equations`.
    left_velocity, right_velocity : Matrix
        dU/dt and dV/dt.
    block_equations : tuple of Eq
        The r² linear equations of S*, to be solved numerically along the flow; empty where it is explicit: for the
        square loss on all entries, and at rank one.
    """

    left: Matrix
    right: Matrix
    block: Matrix
    left_velocity: Matrix
    right_velocity: Matrix
    block_equations: tuple[Eq, ...] = ()


def space_mobility(network: DeepLinearNetwork, sigma: Expr) -> Expr:
    """The limit of λ(σ, 0)/σ as N → ∞, in plain time: how fast a singular value moves its singular vectors.

    Examples
    --------
    >>> space_mobility(DeepLinearNetwork(Symbol("N", positive=True), (3, 2), 2), Symbol("sigma", positive=True))
    sigma
    """
    depth = Dummy("N", positive=True)
    finite = DeepLinearNetwork(depth, network.shape, network.rank, network.field)
    coefficient, order = leading_term(finite.pair_null_multiplier(sigma) / sigma, depth)
    if order != 0:
        raise ArithmeticError(f"the spaces move at rates of the order N^{-order}, not of the order 1")
    return coefficient


def slow_flow(network: DeepLinearNetwork, energy: Callable[[Matrix], Expr]) -> SlowFlow:
    """The slow flow of the spaces, and the block that they carry along.

    Parameters
    ----------
    network : DeepLinearNetwork
        Over R, with an explicit shape and rank and null spaces; its depth does not matter.
    energy : callable
        Takes the (m, n) Matrix of the entries of X and returns a quadratic polynomial in them, such as a square loss on
        some or on all entries.

    Raises
    ------
    ValueError
        If a size is symbolic, the field is not R, there are no null spaces, the time is rescaled, or the energy is not
        quadratic or does not determine the block.

    Examples
    --------
    >>> s = Symbol("s", positive=True)
    >>> N = Symbol("N", positive=True)
    >>> flow = slow_flow(DeepLinearNetwork(N, (2, 1)), lambda X: ((X[0, 0] - s) ** 2 + X[1, 0] ** 2) / 2)
    >>> flow.block
    Matrix([[U_11*V_11*s]])
    """
    _require_null_spaces(network)
    (m, n), r = _explicit_sizes(network.coframe)
    entries = _symbols("X", m, n)
    slope, hessian = _quadratic(energy, entries)
    left, right = _symbols("U", m, r), _symbols("V", n, r)
    block, block_equations = _slaved_block(slope, hessian, entries, left, right)
    gradient = slope.subs(dict(zip(entries, left * block * right.T, strict=True)), simultaneous=True)
    # λ(D, 0)/D is D itself in the limit, and Q D Pᵀ is Sᵀ.
    sigma = Symbol("sigma", positive=True)
    weight = space_mobility(network, sigma) / sigma
    if weight.has(sigma):
        raise ArithmeticError(f"the mobility of the spaces is {weight * sigma}, not proportional to sigma")
    left_null = eye(m) - left * left.T if network.coframe.left_nullity != 0 else zeros(m)
    right_null = eye(n) - right * right.T if network.coframe.right_nullity != 0 else zeros(n)
    return SlowFlow(
        left,
        right,
        block,
        -weight * left_null * gradient * right * block.T,
        -weight * right_null * gradient.T * left * block,
        block_equations,
    )


def _require_null_spaces(network: DeepLinearNetwork) -> None:
    if network.field != "R":
        raise ValueError(f"slow_flow is derived over the real field, not over {network.field!r}")
    if not network.coframe.has_null_directions:
        raise ValueError("slow_flow needs null spaces: for m = n = r the block is all of X; choose a lower rank")
    if network.rescaled:
        raise ValueError("slow_flow is in plain time, and in rescaled time the spaces freeze; choose rescaled=False")


def _explicit_sizes(coframe: SingularCoframe) -> tuple[tuple[int, int], int]:
    m, n, r = *coframe.shape, coframe.rank
    if not (isinstance(m, int) and isinstance(n, int) and isinstance(r, int)):
        raise ValueError(f"slow_flow needs an explicit shape and rank, not {coframe.shape} and {coframe.rank}")
    return (m, n), r


def _symbols(letter: str, rows: int, columns: int) -> Matrix:
    comma = "," if max(rows, columns) > 9 else ""
    return Matrix(rows, columns, lambda i, j: Symbol(f"{letter}_{i + 1}{comma}{j + 1}", real=True))


def _quadratic(energy: Callable[[Matrix], Expr], entries: Matrix) -> tuple[Matrix, dict[tuple[Any, Any], Expr]]:
    """∇E, and the second derivatives by pairs of entries."""
    value = sympify(energy(entries), strict=True)
    if not isinstance(value, Expr) or isinstance(value, MatrixBase):
        raise ValueError(f"energy must return a scalar expression, not {value!r}")
    slope = entries.applyfunc(lambda entry: value.diff(entry))
    hessian = {(x, y): slope[place].diff(y).expand() for (place, x), y in product(enumerate(entries), entries)}
    if any(second.has(*entries) for second in hessian.values()):
        raise ValueError(f"energy must be quadratic in the entries of X, so that the block is linear to find: {value}")
    return slope, hessian


def _slaved_block(
    slope: Matrix, hessian: dict[tuple[Any, Any], Expr], entries: Matrix, left: Matrix, right: Matrix
) -> tuple[Matrix, tuple[Eq, ...]]:
    """S* from Uᵀ ∇E(U S Vᵀ) V = 0, a linear system; for the Hessian h I it is S h, as U and V are orthonormal."""
    start = left.T * slope.subs(dict.fromkeys(entries, 0)) * right
    first = next(iter(entries))
    stiffness = hessian[first, first]
    if all(second == (stiffness if x == y else 0) for (x, y), second in hessian.items()) and stiffness != 0:
        return -start / stiffness, ()
    matrix = _stiffness(hessian, entries, left, right)
    # Full rank at one generic point is full rank almost everywhere.
    numbers = {symbol: Rational(prime(place + 3), 7) for place, symbol in enumerate([*left, *right])}
    generic = matrix.subs(numbers)
    if not generic.free_symbols and generic.rank() < generic.rows:
        raise ValueError("energy does not determine the block of X on these spaces; observe more entries")
    if matrix.rows == 1:
        return -start / matrix[0, 0], ()
    block = _symbols("S", left.cols, right.cols)
    equations = zip(matrix * Matrix(list(block)), start, strict=True)
    return block, tuple(Eq(image, -constant, evaluate=False) for image, constant in equations)


def _stiffness(hessian: dict[tuple[Any, Any], Expr], entries: Matrix, left: Matrix, right: Matrix) -> Matrix:
    """The second derivatives of E(U S Vᵀ) in the entries of S, row by row."""
    pairs = list(product(range(left.cols), range(right.cols)))
    places = list(product(range(entries.rows), range(entries.cols)))
    turned = Matrix(len(places), len(pairs), lambda x, y: _weight(places[x], pairs[y], left, right))
    return turned.T * Matrix(len(places), len(places), lambda x, y: hessian[entries[x], entries[y]]) * turned


def _weight(place: tuple[int, int], pair: tuple[int, int], left: Matrix, right: Matrix) -> Expr:
    return left[place[0], pair[0]] * right[place[1], pair[1]]
