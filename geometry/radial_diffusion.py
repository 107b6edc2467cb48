r"""Radial Brownian motion: the diffusion of the singular values, in coordinates in which the metric is flat.

Restricted to diagonal matrices a spectral metric is Σ_k dσ_k²/λ_kk = Σ_k dy_k² with y = ∫ dσ/√λ(σ, σ).  Brownian
motion has the generator Δ/2, whose radial part in y is

    dy_k = dB_k + ½ ∂_k log(√g Π_j √λ_jj) dt.

For the deep linear network y_k = √N σ_k^{1/N}, and for every N

    dy_k = dB_k + ½ [(β(m+n-2r) + β-1)/y_k + β Σ_{l≠k} 2 y_k/(y_k² - y_l²)] dt:

the singular values of an r x (m+n-r) Brownian matrix, a Laguerre process in y².  At infinite depth (m = n = r)
y_k = log σ_k does Dyson's Brownian motion.

Source: Forrester, *Log-Gases and Random Matrices* (2010), chapter 11 (Dyson and Laguerre processes).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sympy import Expr, Symbol, cancel, exp, factor_terms, log, powsimp, sqrt, sympify
from sympy.printing.latex import LatexPrinter

from .coframe import generic_singular_value, indexed
from .indexed import IndexedSymbol, index_symbols, labelled
from .laplacian import SumOverOthers, at_index, inverse_radial_metric, log_volume_derivatives
from .metric import SpectralMetric

__all__ = ["FlatCoordinate", "RadialDiffusion", "brownian_matrix_diffusion", "flat_coordinate", "radial_diffusion"]


class FlatCoordinate(IndexedSymbol):
    """y_k with a symbolic index; the real symbol `y_k` once k is an integer, since log σ_k may be negative."""

    @staticmethod
    def _explicit(letter: str, indices: tuple[Expr, ...]) -> Symbol:
        return Symbol(labelled(letter, indices), real=True)

    def _eval_is_positive(self) -> bool | None:
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        text = f"{self.args[0].name}_{{{''.join(map(printer._print, self.args[1:]))}}}"
        return text if exp is None else f"{text}^{{{exp}}}"


@dataclass(frozen=True)
class RadialDiffusion:
    """dy_k = dB_k + drift dt, in the flat coordinates y_k.

    Attributes
    ----------
    coordinate : Expr
        y_k as a function of σ_k.
    singular_value : Expr
        σ_k as a function of y_k.
    drift : Expr
        A term in y_k and a sum over l ≠ k, in the generic index k.
    rank : int or Expr
        How many coordinates there are.
    """

    coordinate: Expr
    singular_value: Expr
    drift: Expr
    rank: int | Expr

    def drift_at(self, position: int) -> Expr:
        """The drift of one coordinate, at an index from 0; its sum is written out for an explicit rank."""
        return at_index(self.drift, position)

    def coordinate_at(self, position: int) -> Expr:
        """y_k as a function of σ_k, at an index from 0."""
        return at_index(self.coordinate, position)


def _generic_coordinates() -> tuple[Symbol, Symbol]:
    return Symbol("y_k", positive=True), Symbol("y_l", positive=True)


@lru_cache(maxsize=128)
def flat_coordinate(metric: SpectralMetric) -> tuple[Expr, Expr]:
    """y = ∫ dσ/√λ(σ, σ) as a function of the generic sigma_k, and its inverse as one of the generic y_k.

    The integral starts from 0 where that converges, else from 1.

    Raises
    ------
    ValueError
        If λ(σ, σ) is no power of σ: the integral is then left to the user.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> N = symbols("N", positive=True)
    >>> flat_coordinate(DeepLinearNetwork(N, (2, 2)).metric)
    (sqrt(N)*sigma_k**(1/N), (y_k/sqrt(N))**N)
    >>> flat_coordinate(DeepLinearNetwork(oo, (2, 2)).metric)
    (log(sigma_k), exp(y_k))
    """
    sigma = generic_singular_value(index_symbols(1)[0])
    inverse = inverse_radial_metric(metric)
    degree = cancel(powsimp(sigma * inverse.diff(sigma) / inverse))
    constant = cancel(powsimp(inverse / sigma**degree))
    if degree.has(sigma) or constant.has(sigma):
        raise ValueError(
            f"metric must have a power of σ as λ(σ, σ), not {inverse}; integrate dσ/√λ(σ, σ) for it yourself"
        )
    exponent = (1 - degree / 2).expand()
    if exponent == 0:
        real = Symbol("y_k", real=True)
        return log(sigma) / sqrt(constant), exp(sqrt(constant) * real)
    scale = exponent * sqrt(constant)
    y, _ = _generic_coordinates()
    return sigma**exponent / scale, (y * scale) ** (1 / exponent)


@lru_cache(maxsize=128)
def radial_diffusion(metric: SpectralMetric) -> RadialDiffusion:
    """The radial part of Brownian motion in the flat coordinates, derived by the change of variables.

    Raises
    ------
    ValueError
        If λ(σ, σ) is no power of σ.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> N = symbols("N", positive=True)
    >>> radial_diffusion(DeepLinearNetwork(N, (2, 2)).metric).drift
    y_k*Sum(1/(y_k**2 - y_l**2), l != k <= 2)
    >>> radial_diffusion(DeepLinearNetwork(oo, (2, 2), field="C").metric).drift
    Sum(1/(y_k - y_l), l != k <= 2)
    """
    sigma, other = map(generic_singular_value, index_symbols(2))
    coordinate, singular_value = flat_coordinate(metric)
    inverse = inverse_radial_metric(metric)
    single, pair = log_volume_derivatives(metric)
    # ∂/∂y = √λ ∂/∂σ, and the density in y has a factor √λ for each coordinate.
    speed = 1 / coordinate.diff(sigma)
    own = speed * (single + inverse.diff(sigma) / inverse / 2) / 2
    between = speed * pair / 2
    (name,) = singular_value.free_symbols & {Symbol("y_k", positive=True), Symbol("y_k", real=True)}
    partner = Symbol("y_l", **{"positive" if name.is_positive else "real": True})
    values = {sigma: singular_value, other: singular_value.xreplace({name: partner})}
    own, between = (_in_coordinates(term, values) for term in (own, between))
    return RadialDiffusion(
        coordinate=indexed(coordinate),
        singular_value=_named(singular_value, name, partner),
        drift=_named(own, name, partner) + _over_others(metric.rank, _named(between, name, partner)),
        rank=metric.rank,
    )


def _in_coordinates(term: Expr, values: dict[Symbol, Expr]) -> Expr:
    """A term in σ as one in y, over a common denominator."""
    return factor_terms(cancel(powsimp(term.xreplace(values))))


def _named(term: Expr, name: Symbol, partner: Symbol) -> Expr:
    """The generic y_k and y_l as coordinates that know their indices."""
    k, l = index_symbols(2)
    return term.xreplace({name: FlatCoordinate("y", k), partner: FlatCoordinate("y", l)})


def _over_others(rank: Any, term: Expr) -> Expr:
    k, l = index_symbols(2)
    return SumOverOthers(term, (l,), rank, k) if term != 0 else term


def brownian_matrix_diffusion(metric: SpectralMetric) -> RadialDiffusion:
    """The singular values of an r x (m+n-r) matrix whose entries are independent Brownian motions.

    It is the radial diffusion of the Frobenius metric on these matrices, derived in the same way; for the network it
    is the diffusion of every depth.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> metric = DeepLinearNetwork(3, (4, 3), 2).metric
    >>> brownian_matrix_diffusion(metric).drift == radial_diffusion(metric).drift
    True
    """
    m, n = map(sympify, metric.shape)
    side = Symbol("q", integer=True, positive=True)
    flat = radial_diffusion(SpectralMetric((metric.rank, side), metric.rank, field=metric.field))
    drift = flat.drift.subs(side, m + n - metric.rank)
    return RadialDiffusion(flat.coordinate, flat.singular_value, drift, metric.rank)
