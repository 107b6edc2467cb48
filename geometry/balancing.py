r"""The balancing flow: the gradient flow of ½ Σ |W_p|² on the layers with one product X.

Where the hidden width is the rank, the layers over X are one orbit of GL^{N-1},
W_p → g_p W_p g_{p-1}⁻¹ with g_0 = g_N = 1, moved along by generators ξ_p with velocities
ξ_p W_p - W_p ξ_{p-1}.  Along these the regularizer has the derivative

    Σ_p <ξ_p, W_p W_pᵀ - W_{p+1}ᵀ W_{p+1}>,

so that its critical points on the fibre are exactly the balanced layers, and for symmetric ξ_p its
second derivative is 2 Σ |ξ_p W_p - W_p ξ_{p-1}|² ≥ 0 everywhere: they are minima, with the value
(N/2) Σ_k σ_k^{2/N}.  The gradient flow in the fibre's Frobenius metric is

    dW_p/dt = -W_p + (dφ* M)_p,     dφ dφ* M = N X,

a regularized layer flow with -M for ∇E, under which each defect decays exactly like e^{-2t}.

Source: Lindsey, Menon, arXiv 2511.01137; Kempf, Ness, *The length of vectors in representation
spaces* (1979), for the convexity.
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Eq, Expr, Integer, Matrix, Symbol, cancel, diag, hessian, sympify, zeros

from .layers import (
    adjoint,
    defects,
    differential,
    end_to_end,
    frobenius_product,
    layer_singular_value,
    symbolic_layers,
    symbolic_matrix,
)
from .network import DeepLinearNetwork
from .spectral_flow import TimeDerivative

__all__ = [
    "balancing_equations",
    "balancing_multiplier",
    "balancing_velocity",
    "fibre_velocity",
    "least_regularizer",
    "pair_gram",
    "pair_hessian",
    "regularizer",
    "regularizer_derivative",
    "regularizer_second_derivative",
    "scalar_balancing_flow",
]

Layers = Sequence[Matrix]


def regularizer(layers: Layers) -> Expr:
    """½ Σ_p |W_p|²."""
    return sum((frobenius_product(layer, layer) for layer in layers), Integer(0)) / 2


def fibre_velocity(layers: Layers, generators: Layers) -> tuple[Matrix, ...]:
    """ξ_p W_p - W_p ξ_{p-1}, the velocities that leave the product of the layers as it is.

    Parameters
    ----------
    layers : sequence of Matrix
        W_1, …, W_N.
    generators : sequence of Matrix
        ξ_1, …, ξ_{N-1}, one for each hidden space; ξ_0 = ξ_N = 0.

    Raises
    ------
    ValueError
        If there are not N - 1 generators.
    """
    if len(generators) != len(layers) - 1:
        raise ValueError(f"{len(layers)} layers take {len(layers) - 1} generators, not {len(generators)}")
    above = [generator @ layer for generator, layer in zip(generators, layers[:-1], strict=True)]
    below = [layer @ generator for generator, layer in zip(generators, layers[1:], strict=True)]
    first, last = 0 * layers[0], 0 * layers[-1]
    return tuple(a - b for a, b in zip([*above, last], [first, *below], strict=True))


def regularizer_derivative(layers: Layers, generators: Layers) -> Expr:
    """Σ_p <W_p, ξ_p W_p - W_p ξ_{p-1}>, the derivative of the regularizer along generators of the fibre."""
    velocities = fibre_velocity(layers, generators)
    return sum((frobenius_product(W, V) for W, V in zip(layers, velocities, strict=True)), Integer(0))


def regularizer_second_derivative(layers: Layers, generators: Layers) -> Expr:
    """The second derivative of the regularizer along exp(t ξ_p) W_p exp(-t ξ_{p-1}) at t = 0.

    Velocities are moved by the same generators: Σ |V_p|² + <W_p, ξ_p V_p - V_p ξ_{p-1}>.  At balanced layers, which
    are critical, it is the Hessian of the regularizer on the fibre.
    """
    velocities = fibre_velocity(layers, generators)
    accelerations = fibre_velocity(velocities, generators)
    return sum(
        (
            frobenius_product(V, V) + frobenius_product(W, C)
            for W, V, C in zip(layers, velocities, accelerations, strict=True)
        ),
        Integer(0),
    )


def least_regularizer(network: DeepLinearNetwork) -> Expr:
    """(N/2) Σ_k σ_k^{2/N}, the least value of ½ Σ |W_p|² over the layers with product X: that of balanced ones.

    Raises
    ------
    ValueError
        At infinite depth, which has no layers.

    Examples
    --------
    >>> least_regularizer(DeepLinearNetwork(2, (2, 2)))
    sigma_1 + sigma_2
    """
    if network.is_infinitely_deep:
        raise ValueError("depth oo has no layers to balance; choose a finite or symbolic depth")
    depth = sympify(network.depth)
    return depth / 2 * network.coframe.sum_over(1, lambda a: layer_singular_value(a, depth) ** 2)


def balancing_multiplier(layers: Layers) -> Matrix:
    """The M with dφ dφ* M = N X, (m, n): the Lagrange multiplier of the constraint W_N ⋯ W_1 = X.

    Raises
    ------
    ValueError
        If dφ dφ* has no inverse; with a product of the full rank min(m, n) it has one.
    """
    X = end_to_end(layers)
    rows, columns = X.shape
    unknown = symbolic_matrix("M", rows, columns)
    system = differential(layers, adjoint(layers, unknown))
    coefficients = Matrix(list(system)).jacobian(list(unknown))
    if coefficients.det() == 0:
        raise ValueError(
            "dφ dφ* has no inverse at these layers; give layers with a product of full rank, or solve "
            "balancing_equations for the generators"
        )
    solution = coefficients.LUsolve(len(layers) * Matrix(list(X)))
    return Matrix(rows, columns, list(solution)).applyfunc(cancel)


def balancing_velocity(layers: Layers) -> tuple[Matrix, ...]:
    """dW_p/dt = -W_p + (dφ* M)_p: the gradient of -½ Σ |W_p|² on the fibre, in its Frobenius metric.

    Examples
    --------
    >>> from sympy import Matrix
    >>> balancing_velocity((Matrix([[2]]), Matrix([[1]])))
    (Matrix([[-6/5]]), Matrix([[3/5]]))
    """
    pull = adjoint(layers, balancing_multiplier(layers))
    return tuple(moved - layer for layer, moved in zip(layers, pull, strict=True))


def balancing_equations(layers: Layers, generators: Layers) -> tuple[Eq, ...]:
    """The linear equations for the generators ξ_p of the balancing flow, tridiagonal in p, entry by entry.

    V_p W_pᵀ - W_{p+1}ᵀ V_{p+1} = W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ with V_p = ξ_p W_p - W_p ξ_{p-1}.  They determine the
    ξ_p wherever the layers have full rank, that of X being the hidden width.

    Parameters
    ----------
    layers, generators : sequence of Matrix
        The latter usually of symbols, ξ_1, …, ξ_{N-1}.
    """
    velocities = fibre_velocity(layers, generators)
    equations = []
    for p, defect in enumerate(defects(layers)):
        left = velocities[p] @ layers[p].T - layers[p + 1].T @ velocities[p + 1]
        equations += [Eq(a, b, evaluate=False) for a, b in zip(left, defect, strict=True)]
    return tuple(equations)


def scalar_balancing_flow(depth: int) -> tuple[Eq, ...]:
    """The flow for 1 x 1 layers: dw_p/dt = -w_p + N/(w_p Σ_q w_q⁻²).

    The squares move towards their harmonic mean, d(w_p²)/dt = 2 (N/Σ_q w_q⁻² - w_p²).

    Raises
    ------
    ValueError
        If the depth is no positive integer.

    Examples
    --------
    >>> scalar_balancing_flow(2)[0].rhs.factor()
    -w_1*(w_1 - w_2)*(w_1 + w_2)/(w_1**2 + w_2**2)
    """
    if not isinstance(depth, int) or depth <= 0:
        raise ValueError(f"depth must be a positive integer, not {depth!r}")
    layers = symbolic_layers((1,) * (depth + 1))
    renamed = {layer[0]: Symbol(f"w_{p}", real=True) for p, layer in enumerate(layers, 1)}
    return tuple(
        Eq(TimeDerivative(renamed[layer[0]]), velocity[0].xreplace(renamed), evaluate=False)
        for layer, velocity in zip(layers, balancing_velocity(layers), strict=True)
    )


def pair_gram(network: DeepLinearNetwork, k: int, l: int, sign: int = 1) -> Matrix:
    """The Gram matrix of the velocities in the entries kl and lk at balanced layers, (N-1, N-1) and tridiagonal.

    Coordinates are the entries x_p = (ξ_p)_kl = ± (ξ_p)_lk of the generators: |V|² = xᵀ G x.  For k = l there is the
    one entry.

    Parameters
    ----------
    network : DeepLinearNetwork
        With an explicit depth, of at least two layers.
    k, l : int
        From 0.
    sign : {1, -1}
        Symmetric generators, across the balanced layers, or skew ones, along them.

    Raises
    ------
    ValueError
        If the depth is no integer above 1, or the sign is not 1 or -1, or k = l with skew generators.

    Examples
    --------
    >>> pair_gram(DeepLinearNetwork(3, (2, 2)), 0, 0)
    Matrix([
    [2*sigma_1**(2/3),  -sigma_1**(2/3)],
    [ -sigma_1**(2/3), 2*sigma_1**(2/3)]])
    """
    layers, generators, coordinates = _pair(network, k, l, sign)
    velocities = fibre_velocity(layers, generators)
    squared = sum((frobenius_product(V, V) for V in velocities), Integer(0))
    return hessian(squared, coordinates) / 2


def pair_hessian(network: DeepLinearNetwork, k: int, l: int, sign: int = 1) -> Matrix:
    """The Hessian of the regularizer on the fibre at balanced layers, in the coordinates of `pair_gram`.

    Twice the Gram matrix for symmetric generators, so that all of them decay like e^{-2t}; zero for skew ones,
    which move balanced layers to balanced ones.  (N-1, N-1).

    Examples
    --------
    >>> network = DeepLinearNetwork(3, (2, 2))
    >>> pair_hessian(network, 0, 1) - 2 * pair_gram(network, 0, 1)
    Matrix([
    [0, 0],
    [0, 0]])
    """
    layers, generators, coordinates = _pair(network, k, l, sign)
    return hessian(regularizer_second_derivative(layers, generators), coordinates) / 2


def _pair(network: DeepLinearNetwork, k: int, l: int, sign: int) -> tuple[list[Matrix], list[Matrix], list[Symbol]]:
    """Balanced layers restricted to two directions (one for k = l), their generators and coordinates."""
    count = network.layer_count()
    if sign not in (1, -1) or (k == l and sign == -1):
        raise ValueError(f"sign must be 1, or -1 for two different indices, not {sign!r} for k = {k} and l = {l}")
    if count < 2:
        raise ValueError("one layer has no hidden space to move; depth must be at least 2")
    values = [layer_singular_value(network.coframe.singular_value(i), sympify(network.depth)) for i in (k, l)]
    coordinates = [Symbol(f"x_{p}", real=True) for p in range(1, count)]
    if k == l:
        return [Matrix([values[0]])] * count, [Matrix([x]) for x in coordinates], coordinates
    generators = []
    for x in coordinates:
        generator = zeros(2)
        generator[0, 1], generator[1, 0] = x, sign * x
        generators.append(generator)
    return [diag(*values)] * count, generators, coordinates
