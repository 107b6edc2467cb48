r"""The entropy of a matrix: the logarithm of the volume of the balanced layers that it is the product of.

    S_N = (N-1) log c + (β/2) Σ_{k<l} log λ_kl + ((β-1)/2) Σ_k log λ_kk + (β (h-r)/2) Σ_k log λ_k0,
    c = 2^{β r(r-1)/4 + β r(h-r)/2} vol(St_r(F^h)),

for hidden width h, from the Gram determinants of the fibre (`geometry.fibre`), where a factor 2^{N-1} for each
component is put into the constant.  λ is the multiplier of A_N itself: the volume is that in the Frobenius metric
of the layers, which does not know whether the metric of X is multiplied by N, so the entropy of a
rescaled network is the same.

Every λ has a leading term in N: S_N - (N-1) log c - κ log N has a limit, with

    κ = β r(r-1)/4 + (β-1) r/2,     lim = (β/2) Σ_{k<l} log L(σ_k², σ_l²) + (β-1 + β(h-r)) Σ_k log σ_k,

L the logarithmic mean.  This limit is the entropy at infinite depth.

Source: Menon, Yu, arXiv 2509.09088; over C and H Contreras, Nahas, Kotwal, arXiv 2606.16579.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sympy import Add, Expr, Integer, Mul, S, Symbol, expand, expand_log, log, sympify

from .coframe import SingularCoframe
from .fibre import pair_determinant, phase_determinant
from .group_volumes import stiefel_volume
from .indexed import IndexedProduct
from .means import recognize_means
from .network import DeepLinearNetwork
from .volume import leading_term

__all__ = [
    "FibreFactor",
    "entropy",
    "entropy_constant",
    "entropy_growth",
    "fibre_factors",
    "fibre_volume",
    "validated_hidden_width",
]


@dataclass(frozen=True)
class FibreFactor:
    """What the velocities of one kind contribute to the volume of the fibre: a product of determinants.

    Attributes
    ----------
    kind : {"pair", "phase", "complement"}
    size : int
        The product goes over k < l for 2, over k for 1.
    determinant : callable
        Of σ_k and σ_l, or σ_k: the Gram determinant of one component, a pair's over 2^{N-1}.
    exponent : Expr
        Half the number of components.
    order : Expr
        The determinant at infinite depth is the limit of N^-order times it; 0 at finite depth.
    doubled : bool
        Whether the factor 2^{N-1} has been taken out.
    """

    kind: str
    size: int
    determinant: Callable[..., Expr]
    exponent: Expr
    order: Expr
    doubled: bool

    def log_volume(self, coframe: SingularCoframe) -> Expr:
        """The sum of its logarithms."""
        return coframe.sum_over(self.size, lambda *sigma: _times(self.exponent, _logarithm(self.determinant(*sigma))))

    def volume(self, coframe: SingularCoframe) -> Expr:
        """The product of its roots."""
        return coframe.product_over(self.size, lambda *sigma: self.determinant(*sigma) ** self.exponent)


def entropy(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """S_N, the logarithm of the volume of the fibre; at infinite depth the limit of S_N - (N-1) log c - κ log N.

    Parameters
    ----------
    network : DeepLinearNetwork
        Depth, shape and rank may be symbols; rescaled or not makes no difference.
    hidden_width : int or Expr, optional
        h; the rank unless given, the narrowest hidden spaces that layers with this product have.

    Returns
    -------
    Expr
        In the singular values, with sums over them for a symbolic rank; regular where they coalesce.

    Raises
    ------
    ValueError
        If the hidden width is no integer (or integer symbol), or below the rank.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> N = symbols("N", positive=True)
    >>> network = DeepLinearNetwork(2, (2, 2))
    >>> entropy(network)
    log(sigma_1 + sigma_2)/2 + log(pi) + 5*log(2)/2
    >>> entropy(network.infinite_depth())
    log(LogarithmicMean(sigma_1**2, sigma_2**2))/2
    """
    coframe = network.coframe
    logarithms = [factor.log_volume(coframe) for factor in fibre_factors(network, hidden_width)]
    if not network.is_infinitely_deep:
        logarithms.append((network.depth - 1) * entropy_constant(network, hidden_width))
    return Add(*logarithms)


def fibre_volume(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """exp S_N, the volume of the fibre itself; at infinite depth the limit of exp(S_N) c^{1-N} N^{-κ}.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> fibre_volume(DeepLinearNetwork(2, (2, 2)))
    4*sqrt(2)*pi*sqrt(sigma_1 + sigma_2)
    """
    coframe = network.coframe
    volumes = [factor.volume(coframe) for factor in fibre_factors(network, hidden_width)]
    if not network.is_infinitely_deep:
        volumes.append(_constant(network, hidden_width) ** (network.depth - 1))
    return Mul(*volumes)


def entropy_constant(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """log c, what each of the N-1 hidden spaces adds to the entropy whatever σ is.

    c = 2^{β r(r-1)/4 + β r(h-r)/2} vol(St_r(F^h)).

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> entropy_constant(DeepLinearNetwork(3, (2, 2)))
    log(pi) + 5*log(2)/2
    """
    doublings, stiefel = _constant_parts(network, hidden_width)
    return doublings * log(2) + Add(*map(_logarithm, Mul.make_args(stiefel)))


def entropy_growth(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """κ, the coefficient of log N in S_N as N → ∞: β r(r-1)/4 + (β-1) r/2, whatever the hidden width.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> entropy_growth(DeepLinearNetwork(2, (3, 3))), entropy_growth(DeepLinearNetwork(2, (3, 3), field="C"))
    (3/2, 9/2)
    """
    limits = fibre_factors(network.infinite_depth(), hidden_width)
    return expand(Add(*(factor.order * factor.exponent * network.coframe.count(factor.size) for factor in limits)))


def fibre_factors(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> tuple[FibreFactor, ...]:
    """The factors of the fibre's volume that depend on the singular values: pairs, phases, complement."""
    width = validated_hidden_width(network, hidden_width)
    beta = Integer(network.coframe.dyson_index)
    factors = []
    for kind, size, determinant, exponent in (
        ("pair", 2, pair_determinant, beta / 2),
        ("phase", 1, phase_determinant, (beta - 1) / 2),
        ("complement", 1, _complement_determinant, beta * (width - network.rank) / 2),
    ):
        if exponent != 0:
            at_depth, order = _at_depth(network, size, determinant)
            factors.append(FibreFactor(kind, size, at_depth, exponent, order, doubled=kind != "phase"))
    return tuple(factors)


def validated_hidden_width(network: DeepLinearNetwork, hidden_width: int | Expr | None) -> Expr:
    """The hidden width h, the rank unless given.

    Raises
    ------
    ValueError
        If it is no integer (or integer symbol), or below the rank.
    """
    rank = sympify(network.rank)
    if hidden_width is None:
        return rank
    if isinstance(hidden_width, Expr) and not hidden_width.is_number:
        width = hidden_width
    else:
        try:
            width = Integer(operator.index(hidden_width))
        except TypeError as error:
            raise ValueError(f"hidden_width must be an integer or an integer symbol, not {hidden_width!r}") from error
    if isinstance(hidden_width, bool) or width.is_integer is False or (width - rank).is_negative:
        raise ValueError(f"hidden_width must be an integer of at least the rank {rank}, not {hidden_width}")
    return width


def _logarithm(volume: Expr) -> Expr:
    return volume.logarithm() if isinstance(volume, IndexedProduct) else expand_log(log(volume))


def _times(factor: Expr, logarithms: Expr) -> Expr:
    """A multiple of a sum of logarithms, their coefficients multiplied out."""
    terms = (term.as_independent(log, as_Add=False) for term in Add.make_args(logarithms))
    return Add(*(expand(factor * coefficient) * logarithm for coefficient, logarithm in terms))


def _complement_determinant(sigma: Expr, depth: Expr) -> Expr:
    """Of the entries of C: those of a pair with a zero singular value."""
    return pair_determinant(sigma, S.Zero, depth)


def _at_depth(
    network: DeepLinearNetwork, size: int, determinant: Callable[..., Expr]
) -> tuple[Callable[..., Expr], Expr]:
    """A determinant as a function of singular values only, at infinite depth its leading coefficient, and the order."""
    if not network.is_infinitely_deep:
        return (lambda *sigma: determinant(*sigma, network.depth)), S.Zero
    depth = Symbol("N", positive=True)
    names = [Symbol(f"x_{position}", positive=True) for position in range(size)]
    coefficient, order = leading_term(determinant(*names, depth), depth)
    mean = recognize_means(coefficient)
    return (lambda *sigma: mean.xreplace(dict(zip(names, sigma, strict=True)))), Integer(-order)


def _constant(network: DeepLinearNetwork, hidden_width: int | Expr | None) -> Expr:
    doublings, stiefel = _constant_parts(network, hidden_width)
    return 2**doublings * stiefel


def _constant_parts(network: DeepLinearNetwork, hidden_width: int | Expr | None) -> tuple[Expr, Expr]:
    """The exponent of 2 in c, from every component whose determinant has the factor 2^{N-1}, and vol(St_r(F^h))."""
    width = validated_hidden_width(network, hidden_width)
    doublings = Add(*_doublings(network, hidden_width))
    return expand(doublings), stiefel_volume(width, network.rank, network.field)


def _doublings(network: DeepLinearNetwork, hidden_width: int | Expr | None) -> Iterator[Expr]:
    for factor in fibre_factors(network, hidden_width):
        if factor.doubled:
            yield factor.exponent * network.coframe.count(factor.size)
