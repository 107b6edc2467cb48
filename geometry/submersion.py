r"""The Riemannian submersion from the balanced layers to the matrices of rank r.

On balanced layers dφ dφ* = A_N, and dφ* Z is tangent to the balanced manifold and orthogonal to the
fibre.  So dφ* Z is the horizontal lift of A_N Z, its squared length in the layers is <Z, A_N Z>, and
φ carries the Frobenius metric of the balanced layers to g^N.  In singular coordinates
W_p = Q_p Λ Q_{p-1}ᵀ, Λ = Σ^{1/N}, everything is a product of powers of σ^{1/N}:

    (dφ* u_k v_lᵀ)_p = σ_k^{(N-p)/N} σ_l^{(p-1)/N} q_{p,k} q_{p-1,l}ᵀ,

whose squares add up to λ_kl: the N terms of the multiplier are the N layers.  The fibre over X is
moved along by rotations a_p of the hidden spaces, with velocities a_p Λ - Λ a_{p-1} (a_0 = a_N = 0).

Source: Menon, arXiv 2411.09004; Menon, Yu, arXiv 2509.09088.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, Integer, S, Sum, Symbol, expand, sympify

from .layers import layer_singular_value
from .network import DeepLinearNetwork

__all__ = [
    "HorizontalLift",
    "balanced_dimension",
    "fibre_dimension",
    "horizontal_lift",
    "lift_component",
    "vertical_component",
]

LAYER_INDEX = Symbol("p", integer=True, positive=True)


def lift_component(a: Expr, b: Expr, p: int | Expr, depth: int | Expr) -> Expr:
    """The entry of (dφ* u vᵀ)_p between the hidden directions of u and v, with singular values a and b.

    N - p layers to the left multiply by a^{1/N} each, p - 1 to the right by b^{1/N}.  A null direction has the
    singular value 0, and 0^0 = 1: it is seen by the outermost layer only.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> lift_component(a, b, 2, 3), lift_component(0, b, 3, 3)
    (a**(1/3)*b**(1/3), b**(2/3))
    """
    first, second = (layer_singular_value(sympify(value), sympify(depth)) for value in (a, b))
    return first ** (sympify(depth) - p) * second ** (sympify(p) - 1)


def vertical_component(a: Expr, b: Expr, turn: Expr, previous: Expr, depth: int | Expr) -> Expr:
    """The entry kl of a_p Λ - Λ a_{p-1}, for (a_p)_kl = turn and (a_{p-1})_kl = previous."""
    first, second = (layer_singular_value(sympify(value), sympify(depth)) for value in (a, b))
    return turn * second - first * previous


@dataclass(frozen=True)
class HorizontalLift:
    """The horizontal lift of A(u_k v_lᵀ), A the operator of the network: dφ*(u_k v_lᵀ), over N where rescaled.

    Attributes
    ----------
    network : DeepLinearNetwork
    left, right : Expr
        σ_k and σ_l, or 0 for a null direction.
    """

    network: DeepLinearNetwork
    left: Expr
    right: Expr

    @property
    def depth(self) -> Expr:
        """N."""
        return sympify(self.network.depth)

    def component(self, p: int | Expr) -> Expr:
        """The entry in layer p = 1 … N, between q_{p,k} and q_{p-1,l}; p may be a symbol."""
        return lift_component(self.left, self.right, p, self.depth) / self.network.operator_divisor

    def squared_norm(self) -> Expr:
        """The sum of the squares over the layers, unevaluated, in the metric of the layers (times N where rescaled)."""
        square = self.component(LAYER_INDEX) ** 2 * self.network.operator_divisor
        return Sum(square, (LAYER_INDEX, 1, self.depth))

    def summed_norm(self) -> Expr:
        """The same in closed form: λ_kl, which is <u_k v_lᵀ, A(u_k v_lᵀ)>."""
        present = [value for value in (self.left, self.right) if value != 0]
        if len(present) == 2:
            return self.network.pair_multiplier(*present)
        return self.network.pair_null_multiplier(present[0])


def horizontal_lift(network: DeepLinearNetwork, k: int | Symbol | None, l: int | Symbol | None) -> HorizontalLift:
    """The horizontal lift of A(u_k v_lᵀ); indices from 0, None for a null direction.

    Divided by λ_kl it is the lift of u_k v_lᵀ itself, of squared length 1/λ_kl = g(u_k v_lᵀ, u_k v_lᵀ).

    Raises
    ------
    ValueError
        At infinite depth, which has no layers; and for two null directions, since u_⊥ v_⊥ᵀ is not tangent to
        the matrices of rank r, or for a null direction that the shape does not have.

    Examples
    --------
    >>> from sympy import symbols
    >>> network = DeepLinearNetwork(3, (2, 2))
    >>> lift = horizontal_lift(network, 0, 1)
    >>> [lift.component(p) for p in (1, 2, 3)]
    [sigma_1**(2/3), sigma_1**(1/3)*sigma_2**(1/3), sigma_2**(2/3)]
    >>> lift.summed_norm()
    3*PowerDifferenceMean(sigma_1, sigma_2, 2, 2/3)
    """
    _require_layers(network)
    if k is None and l is None:
        raise ValueError("u v^T of two null directions is not tangent to the matrices of rank r: k or l must be given")
    coframe = network.coframe
    for index, nullity, name in ((k, coframe.left_nullity, "k"), (l, coframe.right_nullity, "l")):
        if index is None and nullity == 0:
            raise ValueError(f"{name} is None, but matrices of shape {network.shape} have no null direction there")
    left, right = (S.Zero if index is None else coframe.singular_value(index) for index in (k, l))
    return HorizontalLift(network, left, right)


def _require_layers(network: DeepLinearNetwork) -> None:
    if network.is_infinitely_deep:
        raise ValueError("depth oo has no layers to lift to; choose a finite or symbolic depth")


def fibre_dimension(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """The real dimension of the balanced layers over one X: N - 1 Stiefel manifolds of r-frames in the hidden spaces.

    The layers over U Σ Vᵀ are Q_p Λ Q_{p-1}ᵀ with Q_N = U, Q_0 = V and Q_pᵀ Q_p = I in between: r real conditions and
    r (r-1)/2 over the field on the h r entries of each of them.

    Parameters
    ----------
    network : DeepLinearNetwork
        Depth, shape and rank may be symbols.
    hidden_width : int or Expr, optional
        h, the same for all hidden layers; the rank unless given.

    Raises
    ------
    ValueError
        If the depth is infinite, or the hidden width below the rank.

    Examples
    --------
    >>> fibre_dimension(DeepLinearNetwork(3, (4, 4)))
    12
    """
    _require_layers(network)
    rank, beta = sympify(network.rank), Integer(network.coframe.dyson_index)
    width = rank if hidden_width is None else sympify(hidden_width)
    if (width - rank).is_negative:
        raise ValueError(f"hidden_width must be at least the rank {rank}, not {hidden_width}")
    stiefel = beta * width * rank - rank - beta * rank * (rank - 1) / 2
    return expand((sympify(network.depth) - 1) * stiefel)


def balanced_dimension(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """The real dimension of the balanced layers: that of the rank-r matrices and that of the fibre.

    Examples
    --------
    >>> balanced_dimension(DeepLinearNetwork(3, (4, 4)))
    28
    """
    return expand(network.coframe.dimension + fibre_dimension(network, hidden_width))
