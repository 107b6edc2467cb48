r"""The layers W_1, …, W_N of the network, and what their product does to velocities.

    φ(W) = W_N ⋯ W_1,     dφ(V) = Σ_p W_N ⋯ W_{p+1} V_p W_{p-1} ⋯ W_1,
    (dφ* Z)_p = (W_N ⋯ W_{p+1})ᵀ Z (W_{p-1} ⋯ W_1)ᵀ,

the adjoint in the Frobenius metric, so that a loss E(φ(W)) has the layer gradient dφ* ∇E(X).  The
defects W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ vanish where the layers are balanced.

Layers are sequences of matrices, W_1 first.  All functions use `@` and `.T` only, and take the
matrices of SymPy, NumPy and mpmath alike; over C and H real block matrices (`geometry.units`), whose
transposes are the conjugates.

Source: Arora, Cohen, Hazan, arXiv 1802.06509; Menon, arXiv 2411.09004.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import matmul
from typing import Any

from sympy import Dummy, Eq, Expr, Function, Matrix, Symbol, cancel, diag, dsolve, zeros

from .network import DeepLinearNetwork

__all__ = [
    "adjoint",
    "balanced_layers",
    "defect_decay",
    "defect_velocity",
    "defects",
    "differential",
    "end_to_end",
    "frobenius_product",
    "layer_singular_value",
    "symbolic_layers",
    "symbolic_matrix",
]

Layers = Sequence[Any]


def symbolic_matrix(letter: str, rows: int, columns: int) -> Matrix:
    """A matrix of real symbols: letter_11, letter_12 and so on.

    Examples
    --------
    >>> symbolic_matrix("G", 2, 1)
    Matrix([
    [G_11],
    [G_21]])
    """
    comma = "," if max(rows, columns) > 9 else ""
    return Matrix(rows, columns, lambda i, j: Symbol(f"{letter}_{i + 1}{comma}{j + 1}", real=True))


def symbolic_layers(widths: Sequence[int], letter: str = "w") -> tuple[Matrix, ...]:
    """Layers of symbols w^p_ij for the widths d_0, …, d_N: W_p has the shape (d_p, d_{p-1}).

    Raises
    ------
    ValueError
        If there are fewer than two widths, or one is no positive integer.

    Examples
    --------
    >>> end_to_end(symbolic_layers((1, 1, 1)))
    Matrix([[w^1_11*w^2_11]])
    """
    if len(widths) < 2 or not all(isinstance(width, int) and width >= 1 for width in widths):
        raise ValueError(f"widths must be at least two positive integers d_0, …, d_N, not {tuple(widths)!r}")
    return tuple(symbolic_matrix(f"{letter}^{p}", widths[p], widths[p - 1]) for p in range(1, len(widths)))


def layer_singular_value(sigma: Expr, depth: Expr) -> Expr:
    """σ^{1/N}: balanced layers share their singular values, and N of them multiply to σ."""
    return sigma ** (1 / depth)


def balanced_layers(network: DeepLinearNetwork, hidden_width: int | None = None) -> tuple[Matrix, ...]:
    """The balanced layers over Σ in singular coordinates: σ_k^{1/N} on the diagonals.

    All others over U Σ Vᵀ are Q_p W_p Q_{p-1}ᵀ with Q_N = U, Q_0 = V and Q_p orthogonal.

    Parameters
    ----------
    network : DeepLinearNetwork
        With an explicit depth, shape and rank.
    hidden_width : int, optional
        The rank unless given.

    Raises
    ------
    ValueError
        If depth, shape or rank is no integer, or the hidden width is below the rank.

    Examples
    --------
    >>> balanced_layers(DeepLinearNetwork(2, (2, 1)))
    (Matrix([[sqrt(sigma_1)]]), Matrix([
    [sqrt(sigma_1)],
    [            0]]))
    """
    depth = network.layer_count()
    sizes = (*network.shape, network.rank)
    if any(isinstance(size, Symbol) for size in sizes):
        raise ValueError(f"layers need an explicit shape and rank, not {network.shape} and {network.rank}")
    m, n, rank = (int(size) for size in sizes)  # type: ignore[arg-type]
    hidden = rank if hidden_width is None else hidden_width
    if not isinstance(hidden, int) or hidden < rank:
        raise ValueError(f"hidden_width must be an integer of at least the rank {rank}, not {hidden!r}")
    widths = (n, *[hidden] * (depth - 1), m)
    core = diag(*(layer_singular_value(sigma, network.depth) for sigma in network.singular_values))
    layers = []
    for p in range(1, depth + 1):
        layer = zeros(widths[p], widths[p - 1])
        layer[:rank, :rank] = core
        layers.append(layer)
    return tuple(layers)


def end_to_end(layers: Layers) -> Any:
    """X = W_N ⋯ W_1."""
    return reduce(lambda product, layer: layer @ product, layers)


def _chain(*factors: Any) -> Any:
    """The product of those factors that are there."""
    return reduce(matmul, (factor for factor in factors if factor is not None))


def _surroundings(layers: Layers) -> list[tuple[Any, Any]]:
    """For each layer W_N ⋯ W_{p+1} and W_{p-1} ⋯ W_1; None at the ends."""
    count = len(layers)
    right: list[Any] = [None] * count
    left: list[Any] = [None] * count
    for p in range(1, count):
        right[p] = _chain(layers[p - 1], right[p - 1])
        left[-p - 1] = _chain(left[-p], layers[-p])
    return list(zip(left, right, strict=True))


def differential(layers: Layers, velocities: Layers) -> Any:
    """dφ(V) = Σ_p W_N ⋯ W_{p+1} V_p W_{p-1} ⋯ W_1, (m, n)."""
    first, *others = (
        _chain(left, velocity, right) for (left, right), velocity in zip(_surroundings(layers), velocities, strict=True)
    )
    return sum(others, first)


def adjoint(layers: Layers, Z: Any) -> tuple[Any, ...]:
    """dφ* Z, layer by layer: (W_N ⋯ W_{p+1})ᵀ Z (W_{p-1} ⋯ W_1)ᵀ.

    Examples
    --------
    >>> from sympy import Matrix
    >>> layers = symbolic_layers((1, 1, 1))
    >>> adjoint(layers, Matrix([[1]]))
    (Matrix([[w^2_11]]), Matrix([[w^1_11]]))
    """
    return tuple(
        _chain(None if left is None else left.T, Z, None if right is None else right.T)
        for left, right in _surroundings(layers)
    )


def defects(layers: Layers) -> tuple[Any, ...]:
    """W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ for p = 1 … N-1; zero where the layers are balanced."""
    return tuple(layers[p + 1].T @ layers[p + 1] - layers[p] @ layers[p].T for p in range(len(layers) - 1))


def defect_velocity(layers: Layers, velocities: Layers) -> tuple[Any, ...]:
    """The derivatives of the defects as the layers move with the velocities V_p."""
    halves = (layers[p + 1].T @ velocities[p + 1] - layers[p] @ velocities[p].T for p in range(len(layers) - 1))
    return tuple(half + half.T for half in halves)


def defect_decay(strength: Expr, time: Expr) -> Expr:
    """D(t)/D(0) for any defect D under the layer flow with the regularizer (μ/2) Σ |W_p|²: exp(-2 μ t).

    The forces of the loss cancel in the velocity of a defect; the regularizer, which moves W_p by -μ W_p, leaves a
    linear equation, the same for each entry.

    Parameters
    ----------
    strength : Expr
        μ; for 0 the defects are conserved.
    time : Expr
        t.

    Examples
    --------
    >>> from sympy import symbols
    >>> defect_decay(*symbols("mu t", positive=True))
    exp(-2*mu*t)
    """
    layers = symbolic_layers((1, 1, 1))
    shrinking = tuple(-strength * layer for layer in layers)
    rate = cancel(defect_velocity(layers, shrinking)[0][0] / defects(layers)[0][0])
    moment, defect = Dummy("t"), Function("D")
    equation = Eq(defect(moment).diff(moment), rate * defect(moment), evaluate=False)
    return dsolve(equation, defect(moment), ics={defect(0): 1}).rhs.subs(moment, time)


def frobenius_product(first: Any, second: Any) -> Any:
    """<Y, Z> = tr(Yᵀ Z), the sum over the entries; β times that of the field for real block matrices."""
    product = first.T @ second
    rows = product.rows if hasattr(product, "rows") else len(product)
    return sum(product[i, i] for i in range(rows))
