r"""The deep linear network X = W_N ⋯ W_1 and its Riemannian geometry.

Gradient descent on balanced layers moves X by dX/dt = -A_N(∇E(X)), the gradient flow of E in the
metric g^N(Z, Z) = <Z, A_N⁻¹ Z>.  Depth enters through the multiplier, shape and rank through the
coframe; everything else is the geometry of a spectral metric.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497; Menon, arXiv 2411.09004.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import Eq, Expr, Integer, Matrix, Symbol, expand, oo, sympify

from .coframe import SingularCoframe
from .metric import SpectralMetric, validated_coframe
from .multiplier import multiplier, null_multiplier, null_null_multiplier
from .volume import VolumeForm

__all__ = ["DeepLinearNetwork"]


def _validated_depth(depth: int | Expr) -> Expr:
    if isinstance(depth, bool):
        raise ValueError(f"depth must be an integer, not {depth}")
    if isinstance(depth, Symbol):
        if not depth.is_positive:
            raise ValueError(f"a symbolic depth must be positive: use symbols({depth.name!r}, positive=True)")
        return depth
    if depth == oo:
        return oo
    try:
        value = operator.index(depth)
    except TypeError as error:
        message = f"depth must be an integer >= 1, a positive symbol or oo, not {depth!r}"
        raise ValueError(message) from error
    if value < 1:
        raise ValueError(f"depth must be at least 1, not {value}")
    return Integer(value)


@dataclass(frozen=True)
class DeepLinearNetwork:
    """The manifold of rank-r matrices with the geometry that depth N gives it.

    Parameters
    ----------
    depth : int, Symbol or oo
        N: an integer >= 1, a positive symbol, or SymPy's oo.
    shape : pair of int or Symbol
        m and n.
    rank : int or Symbol, optional
        r; min(shape) unless given.  For a symbol, formulas have sums and products over its indices.
    field : {"R", "C", "H"}
        The field of the entries.
    rescaled : bool
        Multiply the metric by N (divide the operator by N), so that it has a limit at infinite
        depth.  At depth oo always True.

    Raises
    ------
    ValueError
        If a parameter makes no sense; the message names it.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> N = symbols("N", positive=True)
    >>> network = DeepLinearNetwork(N, shape=(2, 2))
    >>> network.multiplier(0, 0)
    N*sigma_1**(2 - 2/N)
    >>> network.volume_density()
    sigma_1**(-1 + 1/N)*sigma_2**(-1 + 1/N)*Abs(sigma_1**(2/N) - sigma_2**(2/N))/N
    >>> network.infinite_depth().volume_density()
    2*Abs(log(sigma_1) - log(sigma_2))/(sigma_1*sigma_2)
    """

    depth: int | Expr
    shape: tuple[int | Expr, int | Expr]
    rank: int | Expr | None = None
    field: str = "R"
    rescaled: bool = False

    def __post_init__(self) -> None:
        depth = _validated_depth(self.depth)
        coframe = validated_coframe(self.shape, self.rank, self.field)
        named = {size.name for size in (*coframe.shape, coframe.rank) if isinstance(size, Symbol)}
        if isinstance(depth, Symbol) and depth.name in named:
            raise ValueError(f"depth and a side of the shape or the rank are both called {depth}; rename one of them")
        for name, value in (
            ("depth", depth),
            ("shape", coframe.shape),
            ("rank", coframe.rank),
            ("rescaled", bool(self.rescaled) or depth == oo),
        ):
            object.__setattr__(self, name, value)

    @cached_property
    def coframe(self) -> SingularCoframe:
        """The coframe of the singular value decomposition."""
        return SingularCoframe(self.shape, self.rank, self.field)

    @property
    def singular_values(self) -> Sequence[Symbol]:
        """The symbols (σ_1, …, σ_r), positive and decreasing."""
        return self.coframe.singular_values

    @property
    def is_infinitely_deep(self) -> bool:
        """Whether multiplier and volume form are limits as N → ∞."""
        return bool(self.depth == oo)

    @property
    def operator_divisor(self) -> Expr:
        """What the operator of the definition (A_N, or A_∞) is divided by: N for a rescaled finite network."""
        return self.depth if self.rescaled and not self.is_infinitely_deep else Integer(1)

    def pair_multiplier(self, a: Expr, b: Expr) -> Expr:
        """λ(a, b), for any two positive singular values."""
        return multiplier(sympify(a), sympify(b), self.depth) / self.operator_divisor

    def multiplier(self, k: int | Symbol, l: int | Symbol) -> Expr:
        """λ_kl: A(u_k v_lᵀ) = λ_kl u_k v_lᵀ, indices from 0; for a symbolic rank also index symbols.

        (σ_k² - σ_l²)/(σ_k^{2/N} - σ_l^{2/N}), at infinite depth the logarithmic mean of the squares.

        Raises
        ------
        IndexError
            If an index is not in 0 … r-1.
        """
        sigma = [self.coframe.singular_value(index) for index in (k, l)]
        return self.pair_multiplier(*sigma)

    def null_multiplier(self, k: int | Symbol) -> Expr:
        """λ(σ_k, 0), against the null spaces: σ_k^{2-2/N}, and 0 at infinite depth."""
        return self.pair_null_multiplier(self.coframe.singular_value(k))

    def pair_null_multiplier(self, a: Expr) -> Expr:
        """λ(a, 0) for any positive singular value."""
        return null_multiplier(sympify(a), self.depth) / self.operator_divisor

    @property
    def moves_left_space(self) -> bool:
        """Whether the flow of X moves its column space."""
        return self.coframe.left_nullity != 0 and self.null_multiplier(0) != 0

    @property
    def moves_right_space(self) -> bool:
        """Whether the flow of X moves its row space."""
        return self.coframe.right_nullity != 0 and self.null_multiplier(0) != 0

    @property
    def freezes_spaces(self) -> bool:
        """Whether there are null spaces that the flow cannot reach: at infinite depth."""
        return self.coframe.has_null_directions and self.null_multiplier(0) == 0

    @property
    def is_projected(self) -> bool:
        """Whether A_N leaves the rank-r manifold, so that the network means its projection: at depth 1."""
        both = self.coframe.left_nullity != 0 and self.coframe.right_nullity != 0
        return both and null_null_multiplier(self.depth) != 0

    @property
    def keeps_rank(self) -> bool:
        """Whether no singular value reaches zero in finite time, as λ(σ, σ) vanishes with σ: beyond depth 1."""
        return null_null_multiplier(self.depth) == 0

    def layer_count(self) -> int:
        """The number of layers.

        Raises
        ------
        ValueError
            If the depth is symbolic or infinite.
        """
        if not isinstance(self.depth, Integer):
            raise ValueError(f"layers W_1 … W_N exist for an integer depth only, not for depth {self.depth}")
        return int(self.depth)

    @cached_property
    def metric(self) -> SpectralMetric:
        """The metric g^N (times N where rescaled).

        Raises
        ------
        ValueError
            At infinite depth unless m = n = r: the metric has no limit there, the volume form has.
        """
        try:
            return SpectralMetric(
                self.shape, self.rank, self.pair_multiplier, self.field, null_multiplier=self.pair_null_multiplier
            )
        except ValueError as error:
            raise ValueError(
                f"the metric of {self} does not exist: {error}. Only the volume form has a limit; use "
                "network.volume_density()"
            ) from error

    @cached_property
    def volume_form(self) -> VolumeForm:
        """√det g^N as a product of factors; at infinite depth the limit of N^{β r²/2} √det g^N."""
        if self.is_infinitely_deep:
            return self._volume_form_at_infinite_depth()
        return self.metric.volume_form

    def _volume_form_at_infinite_depth(self) -> VolumeForm:
        depth = Symbol("N", positive=True)
        finite = DeepLinearNetwork(depth, self.shape, self.rank, self.field)
        limit_form, order = finite.volume_form.leading_term(depth)
        expected = Integer(self.coframe.dyson_index) * sympify(self.coframe.rank) ** 2 / 2
        if expand(order - expected) != 0:
            raise ArithmeticError(f"the volume density decays like N^-{order}, not like N^-{expected}")
        return limit_form

    def volume_density(self) -> Expr:
        """√det g^N in the coframe; at infinite depth the limit of N^{β r²/2} √det g^N.

        N^{-βr/2} Π_k σ_k^{β(m+n-2r+1)/N-1} Π_{k<l} |σ_k^{2/N} - σ_l^{2/N}|^β (not rescaled).
        """
        return self.volume_form.density()

    def log_volume_density(self) -> Expr:
        """The logarithm of the volume density, as a sum of logarithms."""
        return self.volume_form.log_density()

    def infinite_depth(self) -> DeepLinearNetwork:
        """The network at depth oo, whose multiplier and volume form are limits as N → ∞."""
        return DeepLinearNetwork(oo, self.shape, self.rank, self.field)

    def entropy(self, hidden_width: int | Expr | None = None) -> Expr:
        """The logarithm of the volume of the fibre of balanced layers; see `geometry.entropy.entropy`."""
        from .entropy import entropy

        return entropy(self, hidden_width)

    def gradient_flow(self, energy: Callable[[Matrix], Expr]) -> tuple[Eq, ...]:
        """The spectral ODE of dX/dt = -A_N(∇E(X)); see `geometry.spectral_flow.spectral_flow`."""
        from .spectral_flow import spectral_flow

        return spectral_flow(self, energy).equations

    def subs(self, values: Mapping[Any, Any] | None = None, /, **named: Any) -> DeepLinearNetwork:
        """The network with other values for a symbolic depth, rank or side; see `geometry.substitution`.

        Examples
        --------
        >>> from sympy import Symbol
        >>> DeepLinearNetwork(Symbol("N", positive=True), shape=(2, 2)).subs(N=3).multiplier(0, 0)
        3*sigma_1**(4/3)
        """
        from .substitution import substituted_network

        return substituted_network(self, values, named)

    def _repr_latex_(self) -> str:
        from .displays import network_latex

        return f"$\\displaystyle {network_latex(self)}$"

    def _repr_html_(self) -> str:
        from .displays import network_html

        return network_html(self)
