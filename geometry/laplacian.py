r"""The Laplace-Beltrami operator of a spectral metric on functions of the singular values.

For a function that is invariant under U and V the divergence form has radial terms only,

    Δf = (1/√g) Σ_k ∂_k(√g λ_kk ∂_k f) = Σ_k (λ_kk ∂_k² f + Δσ_k ∂_k f),
    Δσ_k = ∂_k λ_kk + λ_kk ∂_k log √g,

with λ_kk the inverse of the metric's radial block.  The volume density is a product over single
singular values and over pairs of them, so that Δσ_k is a term in σ_k and a sum over l ≠ k:

==========================================  ===================================
``SumOverOthers(f, (l,), r, k)``            Σ_{l ≠ k} f(σ_k, σ_l)
``radial_derivative(expression, k)``        ∂/∂σ_k, through sums over indices
==========================================  ===================================

For the deep linear network Δσ_k = (N - 2 + β(m+n-2r+1)) σ_k^{1-2/N} + Σ_{l≠k} 2β σ_k/(σ_k^{2/N} - σ_l^{2/N}).

Source: S. Helgason, *Groups and geometric analysis*, chapter II, section 3 (radial parts of Laplacians).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sympy import (
    Abs,
    Add,
    Dummy,
    Expr,
    Integer,
    MatrixBase,
    Mul,
    S,
    Symbol,
    Tuple,
    expand,
    expand_mul,
    log,
    powsimp,
    sympify,
)
from sympy.core.sympify import SympifyError
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from .coframe import CoframeBlock, generic_singular_value, gram_matrix, indexed
from .indexed import IndexedProduct, IndexedSum, SingularValue, index_symbols
from .metric import SpectralMetric
from .normal_form import factored
from .volume import VolumeForm, block_volume_form

__all__ = [
    "SumOverOthers",
    "at_index",
    "generic_volume_forms",
    "inverse_radial_metric",
    "laplacian",
    "log_volume_derivatives",
    "model_blocks",
    "radial_derivative",
    "radial_drift_terms",
    "radial_laplacian_drift",
    "sum_over_others",
    "summed",
    "validated_function",
]


class SumOverOthers(IndexedSum):
    """Σ_{l ≠ k} f over 1 ≤ l ≤ r, for a fixed k; written out by `doit` once k and r are integers.

    Parameters
    ----------
    function : Expr
        In σ_k and σ_l.
    indices : (Symbol,)
        The bound index l.
    rank, fixed : Expr
        r and k.

    Examples
    --------
    >>> from sympy import symbols
    >>> k, l, r = symbols("k l r", integer=True, positive=True)
    >>> total = SumOverOthers(1 / (SingularValue(k) - SingularValue(l)), (l,), r, k)
    >>> total
    Sum(1/(sigma_k - sigma_l), l != k <= r)
    >>> total.subs({r: 3, k: 2}).doit()
    1/(sigma_2 - sigma_3) + 1/(-sigma_1 + sigma_2)
    """

    def __new__(cls, function: Any, indices: Sequence[Symbol], rank: Any, fixed: Any) -> Expr:
        function, rank, fixed = sympify(function), sympify(rank), sympify(fixed)
        constant, varying = function.as_independent(*indices, as_Add=False)
        if varying == 1:
            return constant * (rank - 1)
        return constant * Expr.__new__(cls, varying, Tuple(*indices), rank, fixed)

    @property
    def fixed(self) -> Expr:
        """The index k that is left out."""
        return self.args[3]

    def with_function(self, function: Expr) -> Expr:
        """The same range over another function."""
        return SumOverOthers(function, self.indices, self.rank, self.fixed)

    @property
    def free_symbols(self) -> set[Symbol]:
        """The symbols that can be substituted, k among them."""
        return super().free_symbols | self.fixed.free_symbols

    def doit(self, **hints: Any) -> Expr:
        """Write the terms out where r and k are integers."""
        function, rank = self.function.doit(**hints), self.rank.doit(**hints)
        if not (isinstance(rank, Integer) and isinstance(self.fixed, Integer)):
            return SumOverOthers(function, self.indices, rank, self.fixed)
        others = (Integer(value) for value in range(1, int(rank) + 1) if value != int(self.fixed))
        return Add(*(function.xreplace({self.indices[0]: value}).doit(**hints) for value in others))

    def _eval_subs(self, old: Expr, new: Expr) -> Expr | None:
        if old in self.indices:
            return self
        function, indices = self.function, self.indices
        if indices[0] in new.free_symbols:
            renamed = Dummy(indices[0].name, integer=True, positive=True)
            function, indices = function.xreplace({indices[0]: renamed}), (renamed,)
        return SumOverOthers(function._subs(old, new), indices, self.rank._subs(old, new), self.fixed._subs(old, new))

    def _sympystr(self, printer: StrPrinter) -> str:
        l, k, r = (printer._print(part) for part in (self.indices[0], self.fixed, self.rank))
        return f"Sum({printer._print(self.function)}, {l} != {k} <= {r})"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        l, k = (printer._print(part) for part in (self.indices[0], self.fixed))
        text = rf"\sum_{{{l} \neq {k}}} {printer.parenthesize(self.function, PRECEDENCE['Mul'], strict=True)}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def sum_over_others(rank: Any, function: Expr) -> Expr:
    """Σ_{l ≠ k} of an expression in the generic sigma_k and sigma_l; zero at rank 1."""
    k, l = index_symbols(2)
    return S.Zero if function == 0 or sympify(rank) is S.One else SumOverOthers(indexed(function), (l,), rank, k)


def at_index(expression: Expr, position: int) -> Expr:
    """An expression in the generic index k at an index from 0, its sums written out where the rank is explicit."""
    k, _ = index_symbols(2)
    return expression.subs(k, position + 1).doit()


# --------------------------------------------------------------------------------- the volume form


def model_blocks(metric: SpectralMetric) -> dict[str, CoframeBlock]:
    """The first coframe block of each kind that occurs: the others are the same in other singular values."""
    models: dict[str, CoframeBlock] = {}
    for block in metric.coframe.blocks():
        models.setdefault(block.kind, block)
    return models


def _to_generic(metric: SpectralMetric, block: CoframeBlock) -> dict[Symbol, Symbol]:
    names = map(generic_singular_value, index_symbols(len(block.indices)))
    return dict(zip(map(metric.coframe.singular_value, block.indices), names, strict=True))


@lru_cache(maxsize=128)
def generic_volume_forms(metric: SpectralMetric) -> tuple[VolumeForm, VolumeForm]:
    """√det g = Π_k φ(σ_k) Π_{k<l} ψ(σ_k, σ_l): the factors φ and ψ, in the generic sigma_k and sigma_l."""
    single: list[tuple[Expr, Expr]] = []
    pair: list[tuple[Expr, Expr]] = []
    for kind, block in model_blocks(metric).items():
        form = block_volume_form(block, metric.block_multiplier(block)).renamed(_to_generic(metric, block))
        (pair if kind == "pair" else single).extend(form.factors)
    return VolumeForm.product(single), VolumeForm.product(pair)


def log_volume_derivatives(metric: SpectralMetric) -> tuple[Expr, Expr]:
    """∂_k log √g as a term in σ_k, and the term in σ_k and σ_l that is summed over l ≠ k."""
    sigma = generic_singular_value(index_symbols(1)[0])
    single, pair = generic_volume_forms(metric)
    return _log_derivative(single, sigma), _log_derivative(pair, sigma)


def _log_derivative(form: VolumeForm, sigma: Symbol) -> Expr:
    terms = []
    for base, exponent in form.factors:
        inner = base.args[0] if isinstance(base, Abs) else base
        terms.append(exponent * inner.diff(sigma) / inner)
    return Add(*terms)


def inverse_radial_metric(metric: SpectralMetric) -> Expr:
    """g^{kk}, the inverse of the metric's radial block: λ_kk in the generic sigma_k."""
    block = model_blocks(metric)["radial"]
    inverse = metric.block_multiplier(block) / gram_matrix(block)[0, 0]
    return inverse.xreplace(_to_generic(metric, block))


# ------------------------------------------------------------------------------------ the Laplacian


@lru_cache(maxsize=128)
def radial_laplacian_drift(metric: SpectralMetric) -> Expr:
    """Δσ_k = ∂_k λ_kk + λ_kk ∂_k log √g, for a generic index k.

    Returns
    -------
    Expr
        In the index k, from 1: a term in σ_k and a sum over l ≠ k; `at_index` puts a number in.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> radial_laplacian_drift(DeepLinearNetwork(2, (2, 2)).metric)
    2*sigma_k*Sum(1/(sigma_k - sigma_l), l != k <= 2) + 1
    >>> radial_laplacian_drift(DeepLinearNetwork(1, (3, 5)).metric)
    2*sigma_k*Sum(1/(sigma_k**2 - sigma_l**2), l != k <= 3) + 2/sigma_k
    """
    own, between = radial_drift_terms(metric)
    return indexed(own) + sum_over_others(metric.rank, between)


@lru_cache(maxsize=128)
def radial_drift_terms(metric: SpectralMetric) -> tuple[Expr, Expr]:
    """Δσ_k as a term in the generic sigma_k, and one in sigma_k and sigma_l that is summed over l ≠ k."""
    sigma = generic_singular_value(index_symbols(1)[0])
    single, pair = log_volume_derivatives(metric)
    inverse = inverse_radial_metric(metric)
    degree = expand(powsimp(expand(sigma * (inverse.diff(sigma) / inverse + single))))
    constant, power = powsimp(inverse / sigma).as_independent(sigma)
    return power * expand(constant * degree), powsimp(inverse * pair)


def laplacian(metric: SpectralMetric, function: Expr) -> Expr:
    """Δf = Σ_k (λ_kk ∂_k² f + Δσ_k ∂_k f), for a function f of the singular values.

    Parameters
    ----------
    metric : SpectralMetric
    function : Expr
        In `metric.singular_values`, and parameters.  For a symbolic rank a function of sums and products over
        indices, as `metric.coframe.sum_over` and `product_over` return them.

    Raises
    ------
    ValueError
        If the function is none of the singular values: a singular value beyond the rank, one with a number for a
        symbolic rank, no expression at all.

    Examples
    --------
    >>> from sympy import log
    >>> from geometry import DeepLinearNetwork
    >>> flat = DeepLinearNetwork(1, (2, 2)).metric
    >>> a, b = flat.singular_values
    >>> laplacian(flat, a**2 + b**2).simplify(), laplacian(flat, a * b).simplify()
    (8, 0)
    """
    function = validated_function(metric, function)
    if not metric.coframe.has_explicit_rank:
        return _laplacian_of_sums(metric, function)
    inverse, drift = indexed(inverse_radial_metric(metric)), radial_laplacian_drift(metric)
    terms = []
    for position, sigma in enumerate(metric.singular_values):
        slope = function.diff(sigma)
        if slope != 0:
            terms += [
                at_index(inverse, position) * slope.diff(sigma),
                at_index(drift, position) * slope,
            ]
    return Add(*terms)


def validated_function(metric: SpectralMetric, function: Any) -> Expr:
    """A function of the singular values, as an expression; see `laplacian` for what is refused."""
    if isinstance(function, str):
        raise ValueError(f"function must be an expression, not the text {function!r}; use geometry.parse_expression")
    try:
        value = sympify(function)
    except SympifyError as error:
        raise ValueError(f"function must be an expression in the singular values, not {function!r}") from error
    if not isinstance(value, Expr) or isinstance(value, MatrixBase) or value.has(S.NaN):
        raise ValueError(f"function must be a scalar expression in the singular values, not {function!r}")
    known: set[Symbol] = set()
    remedy = "for a symbolic rank write it with metric.coframe.sum_over or product_over"
    if metric.coframe.has_explicit_rank:
        value, known = value.doit(), set(metric.singular_values)
        remedy = f"the singular values are {tuple(metric.singular_values)}, positive symbols"
    for symbol in sorted(value.free_symbols - known, key=str):
        if symbol.name.startswith("sigma"):
            raise ValueError(f"function must not contain {symbol}: {remedy}")
    return value


def _laplacian_of_sums(metric: SpectralMetric, function: Expr) -> Expr:
    """Δf for a symbolic rank: Σ_k (λ_kk ∂_k² f + Δσ_k ∂_k f) over the generic k, term by term."""
    (k, _), rank = index_symbols(2), metric.rank
    inverse = indexed(inverse_radial_metric(metric))
    slope = radial_derivative(function, k)
    return summed(inverse * radial_derivative(slope, k) + radial_laplacian_drift(metric) * slope, rank)


def summed(expression: Expr, rank: Expr) -> Expr:
    """Σ_k of an expression in the index k; a single sum over l ≠ k within becomes one over pairs k < l."""
    (k, l), terms = index_symbols(2), []
    parts = (expand_mul(part, deep=False) for part in Add.make_args(expression))
    for term in Add.make_args(Add(*parts)):
        factors = Mul.make_args(term)
        inner = [factor for factor in factors if isinstance(factor, SumOverOthers)]
        if len(inner) == 1 and not (term / inner[0]).has(SumOverOthers):
            ordered = term / inner[0] * inner[0].function.xreplace({inner[0].indices[0]: l})
            swapped = ordered.subs({k: l, l: k}, simultaneous=True)
            terms.append(IndexedSum(factored_pair(powsimp(ordered) + powsimp(swapped)), (k, l), rank))
        else:
            terms.append(IndexedSum(powsimp(term), (k,), rank))
    return Add(*terms)


def factored_pair(term: Expr) -> Expr:
    """A term in σ_k and σ_l over one denominator, where the two halves of a pair may add up to less than each."""
    names = {value: generic_singular_value(value.args[0]) for value in term.atoms(SingularValue)}
    return indexed(factored(term.xreplace(names))) if not term.has(IndexedSum, IndexedProduct) else term


# ------------------------------------------------------------------ derivatives through sums over indices


def radial_derivative(expression: Expr, k: Symbol) -> Expr:
    """∂/∂σ_k, for the index k, of an expression with sums and products over indices.

    A sum over single indices has one term in σ_k, one over pairs a term for each l ≠ k.

    Examples
    --------
    >>> from geometry import SingularCoframe
    >>> from sympy import symbols
    >>> k, l, r = symbols("k l r", integer=True, positive=True)
    >>> coframe = SingularCoframe((r, r), r)
    >>> radial_derivative(coframe.sum_over(1, lambda a: a**3), k)
    3*sigma_k**2
    >>> radial_derivative(coframe.sum_over(2, lambda a, b: a**2 * b**2), k)
    2*sigma_k*Sum(sigma_l**2, l != k <= r)
    """
    over = sorted(_outermost_sums(expression), key=str)
    names = {part: Dummy("s", positive=part.is_positive, real=True) for part in over}
    own = Dummy("sigma", positive=True)
    masked = expression.xreplace(names).xreplace({SingularValue(k): own})
    slopes = [(own, S.One), *((names[part], _derivative_of_sum(part, k)) for part in over)]
    total = Add(*(masked.diff(name) * slope for name, slope in slopes))
    return total.xreplace({own: SingularValue(k)}).xreplace({name: part for part, name in names.items()})


def _outermost_sums(expression: Expr) -> set[Expr]:
    if isinstance(expression, (IndexedSum, IndexedProduct)):
        return {expression}
    return set().union(*(_outermost_sums(part) for part in expression.args))


def _derivative_of_sum(part: Expr, k: Symbol) -> Expr:
    if isinstance(part, IndexedProduct):
        return part * radial_derivative(part.logarithm(), k)
    if isinstance(part, SumOverOthers):
        return part.with_function(radial_derivative(part.function, k))
    if len(part.indices) == 1:
        return radial_derivative(part.function.xreplace({part.indices[0]: k}), k)
    if len(part.indices) > 2:
        raise ValueError(f"function must have sums over single indices or pairs, not {part}")
    first, second = part.indices
    _, l = index_symbols(2)
    ordered = part.function.xreplace({first: k, second: l})
    return SumOverOthers(radial_derivative(_without_modulus(ordered), k), (l,), part.rank, k)


def _without_modulus(function: Expr) -> Expr:
    """log |x| as log x, which has the same derivative."""
    return function.replace(
        lambda part: isinstance(part, log) and isinstance(part.args[0], Abs), lambda part: log(part.args[0].args[0])
    )
