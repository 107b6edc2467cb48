r"""Scalar and Ricci curvature of a spectral metric.

The rank-r matrices are orbits of U_m x U_n over the singular values.  Along the orbits the metric is diagonal,
g(e_i, e_i) = Q(e_i, e_i) x_i (see `structure`), and across them it is flat: D_k = √λ_kk ∂/∂σ_k are orthonormal and
commute.  With f_i = √x_i, of multiplicity n_i, and h_ik = D_k log f_i

    Ric(D_k, D_l) = -Σ_i n_i (D_k D_l f_i)/f_i,
    Ric(e_i, e_i) = Ric_orbit(e_i, e_i) - Σ_k [D_k h_ik + h_ik Σ_j n_j h_jk]                   (e_i of length 1),
    scalar        = Scal_orbit - 2 Σ_i n_i Σ_k (D_k² f_i)/f_i - Σ_k [(Σ_i n_i h_ik)² - Σ_i n_i h_ik²].

Two functions carry everything: the universal q_kl = (σ_k - σ_l)/(σ_k + σ_l), and δ_kl = (σ_k² - σ_l²)/λ_kl, which for
the deep linear network is σ_k^{2/N} - σ_l^{2/N} (at infinite depth the difference of log σ²): x_kl = δ_kl q_kl for
E^U_kl + E^V_kl and δ_kl/q_kl for E^U_kl - E^V_kl.  Sums over one, two and three singular values remain, for every rank.
Spheres have positive curvature.

Sources: A. L. Besse, Einstein manifolds, chapters 7 and 9; B. O'Neill, Semi-Riemannian geometry, chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sympy import Add, Expr, Integer, Rational, S, Symbol, expand, factor_terms, sympify

from .coframe import generic_singular_value
from .indexed import index_symbols
from .normal_form import factored
from .structure import BracketTriple, bracket_triples

if TYPE_CHECKING:
    from .metric import SpectralMetric

__all__ = [
    "GenericCurvature",
    "generic_curvature",
    "orbit_ricci",
    "orbit_scalar",
    "scalar_curvature",
]

Element = tuple[str, tuple[int, ...]]
"""A kind of basis element with generic indices: ("plus", (0, 1)), ("minus", (0, 0)), ("left", (1,))."""
Part = tuple[Expr, Expr]
"""A weight, which may be a polynomial in m, n, r, and a rational function of the singular values."""

PAIRS = tuple(combinations(range(3), 2))


def _letters(indices: Iterable[int]) -> str:
    return "".join(index_symbols(3)[index].name for index in indices)


def delta_symbol(pair: tuple[int, ...]) -> Symbol:
    """The name of δ_kl."""
    return Symbol(f"delta_{_letters(pair)}", positive=True)


def q_symbol(pair: tuple[int, ...]) -> Symbol:
    """The name of q_kl."""
    return Symbol(f"q_{_letters(pair)}", positive=True)


def _primitive(k: int) -> Symbol:
    """The name of T_k, where δ_kl = T_k - T_l."""
    return Symbol(f"T_{_letters((k,))}", positive=True)


def ratio_symbol(element: Element) -> Expr:
    """x of an element in the names δ_kl, q_kl, x_kk and x_k0."""
    kind, indices = element
    if kind in ("left", "right"):
        return Symbol(f"x_{_letters(indices)}0", positive=True)
    if indices[0] == indices[1]:
        return Symbol(f"x_{_letters(indices)}", positive=True)
    return delta_symbol(indices) * q_symbol(indices) ** (1 if kind == "plus" else -1)


def orbit_scalar(triple: BracketTriple) -> Expr:
    """What a triple of basis elements brings to the scalar curvature of the orbit.

    c² (1/x + 1/y + 1/z - (x/yz + y/xz + z/xy)/2), and c² (1/x + 1/y) where the third is in the isotropy.
    """
    ratios = [ratio_symbol(element) for element in triple.elements]
    return Add(*(orbit_ricci(triple, place) / x for place, x in enumerate(ratios)))


def orbit_ricci(triple: BracketTriple, place: int) -> Expr:
    """x_i times what a triple brings to the Ricci curvature of the orbit along its element i of length 1.

    c² (1 + (x_i² - x_j² - x_k²)/(2 x_j x_k)), and c² where the third is in the isotropy.
    """
    if triple.isotropic:
        return triple.constant
    ratios = [ratio_symbol(element) for element in triple.elements]
    x, (y, z) = ratios[place], ratios[:place] + ratios[place + 1 :]
    return triple.constant * (1 + (x**2 - y**2 - z**2) / (2 * y * z))


class GenericCurvature:
    """The terms of the curvature of a metric in generic singular values σ_k, σ_l, σ_p.

    Parameters
    ----------
    metric : SpectralMetric
    """

    def __init__(self, metric: SpectralMetric) -> None:
        self.coframe = metric.coframe
        self.sigma = tuple(map(generic_singular_value, index_symbols(3)))
        self.beta = Integer(self.coframe.dyson_index)
        self.nulls = self.beta * (self.coframe.left_nullity + self.coframe.right_nullity)
        own = [metric.pair_multiplier(a, a) for a in self.sigma]
        self.speeds = own
        self.slopes = [factored(value.diff(a)) for value, a in zip(own, self.sigma, strict=True)]
        self.values = dict(self._named_values(metric))
        self.terms: dict[object, Expr] = {}

    def _named_values(self, metric: SpectralMetric) -> Iterator[tuple[Expr, Expr]]:
        """x_kk, x_k0, δ_kl and q_kl."""
        for k, a in enumerate(self.sigma):
            yield ratio_symbol(("minus", (k, k))), factored(4 * a**2 / self.speeds[k])
            if self.nulls != 0:
                yield ratio_symbol(("left", (k,))), factored(a**2 / metric.pair_null_multiplier(a))
        for k, l in PAIRS:
            a, b = self.sigma[k], self.sigma[l]
            yield delta_symbol((k, l)), factored((a**2 - b**2) / metric.pair_multiplier(a, b))
            yield q_symbol((k, l)), (a - b) / (a + b)

    # Logarithmic derivatives along ∂/∂σ_k; f = √x.

    def delta_rate(self, k: int, l: int, order: int = 1) -> Expr:
        """∂^order log δ_kl/∂σ_k^order."""
        return self._log_derivative(delta_symbol((min(k, l), max(k, l))), (k,) * order)

    def q_rate(self, k: int, l: int, order: int = 1) -> Expr:
        """∂^order log q_kl/∂σ_k^order."""
        return self._log_derivative(q_symbol((min(k, l), max(k, l))), (k,) * order)

    def phase_rate(self, k: int, order: int = 1) -> Expr:
        """∂^order log √x_kk/∂σ_k^order."""
        return self._log_derivative(ratio_symbol(("minus", (k, k))), (k,) * order) / 2

    def null_rate(self, k: int, order: int = 1) -> Expr:
        """∂^order log √x_k0/∂σ_k^order."""
        return self._log_derivative(ratio_symbol(("left", (k,))), (k,) * order) / 2

    def _log_derivative(self, name: Expr, along: tuple[int, ...]) -> Expr:
        value = self.values[name]
        rate = factored(value.diff(self.sigma[along[0]]) / value)
        for index in along[1:]:
            rate = factored(rate.diff(self.sigma[index]))
        return rate

    def second(self, k: int, first: Expr, second: Expr) -> Expr:
        """D_k h for h = D_k log f, from the derivatives of log f along σ_k."""
        return self.speeds[k] * second + self.slopes[k] * first / 2

    # The scalar curvature.

    def scalar_term(self, size: int) -> Expr:
        """The terms that involve exactly `size` singular values."""
        if size not in self.terms:
            radial = {1: self._radial_of_one, 2: self._radial_of_two, 3: self._radial_of_three}[size]
            self.terms[size] = combined([*self._orbit_parts(size), *radial()])
        return self.terms[size]

    def _orbit_parts(self, size: int) -> Iterator[Part]:
        """The curvature of the orbit, by weights; left and right spaces have the same."""
        counts: dict[Expr, Expr] = {}
        for triple in bracket_triples(self.coframe.field):
            if triple.size == size:
                term = orbit_scalar(triple)
                counts[term] = counts.get(term, S.Zero) + triple.multiplicity(self.coframe)
        if size == 3 and self._primitives:
            # The triples without null directions are equally many.
            (weight,) = set(counts.values())
            yield weight, self._orbit_of_three(Add(*counts))
        else:
            yield from self._weighted(counts)

    @cached_property
    def _primitives(self) -> dict[Symbol, Expr]:
        """T_k where δ_kl = T_k - T_l, as for the deep linear network, by their names; else empty."""
        found: dict[Symbol, Expr] = {}
        for k, l in PAIRS:
            value = self.values[delta_symbol((k, l))]
            own, other = value.as_independent(self.sigma[l])
            if other + own.xreplace({self.sigma[k]: self.sigma[l]}) != 0:
                return {}
            found |= {_primitive(k): own, _primitive(l): -other}
        return found

    def _orbit_of_three(self, total: Expr) -> Expr:
        """The part of three singular values with names for T_k, which factors alike for every depth."""
        differences = {delta_symbol((k, l)): _primitive(k) - _primitive(l) for k, l in PAIRS}
        named = factored(Add(*self.evaluated(total, self.values | differences)))
        return factored(named.xreplace(self._primitives))

    def _weighted(self, counts: dict[Expr, Expr]) -> Iterator[Part]:
        """Named terms with their weights: the values of those of one weight."""
        weights: dict[Expr, Expr] = {}
        for term, weight in counts.items():
            weights[weight] = weights.get(weight, S.Zero) + term
        for weight, total in weights.items():
            if weight != 0:
                yield from ((weight, part) for part in self.evaluated(total))

    def evaluated(self, total: Expr, values: dict[Expr, Expr] | None = None) -> Iterator[Expr]:
        """A Laurent polynomial in δ, q, x with its values: what has the same coefficient, in q, is put together."""
        values = self.values if values is None else values
        coefficients: dict[Expr, Expr] = {}
        for term in Add.make_args(expand(total)):
            monomial, coefficient = term.as_independent(*map(q_symbol, PAIRS), as_Add=False)
            number, monomial = monomial.as_coeff_Mul()
            coefficients[monomial] = coefficients.get(monomial, S.Zero) + number * coefficient
        monomials: dict[Expr, Expr] = {}
        for monomial, coefficient in coefficients.items():
            number, function = factored(coefficient.xreplace(values)).as_coeff_Mul()
            monomials[function] = monomials.get(function, S.Zero) + number * monomial
        for function, monomial in monomials.items():
            yield function * factored(monomial.xreplace(values))

    def _radial_of_one(self) -> Iterator[Part]:
        phases, nulls = self.beta - 1, self.nulls
        families = [(phases, self.phase_rate)] if phases else []
        families += [(nulls, self.null_rate)] if nulls != 0 else []
        for weight, rate in families:
            h = rate(0)
            yield weight, factored(-2 * self.second(0, h, rate(0, 2)) - self.speeds[0] * h**2)
            yield weight**2, factored(-self.speeds[0] * h**2)
        if len(families) == 2:
            yield nulls, factored(-2 * phases * self.speeds[0] * self.phase_rate(0) * self.null_rate(0))

    def _radial_of_two(self) -> Iterator[Part]:
        beta = self.beta
        directions = ((0, 1), (1, 0))
        own = Add(
            *(
                -2 * self.second(k, self.delta_rate(k, l), self.delta_rate(k, l, 2))
                - (beta + Rational(1, 2)) * self.speeds[k] * self.delta_rate(k, l) ** 2
                for k, l in directions
            )
        )
        yield beta, factored(own)
        universal = Add(*(self.speeds[k] * factored(self.q_rate(k, l)) ** 2 for k, l in directions))
        yield -beta / 2, factored(universal)
        if beta > 1:
            cross = Add(*(self.speeds[k] * self.delta_rate(k, l) * self.phase_rate(k) for k, l in directions))
            yield -2 * beta * (beta - 1), factored(cross)
        if self.nulls != 0:
            cross = Add(*(self.speeds[k] * self.delta_rate(k, l) * self.null_rate(k) for k, l in directions))
            yield self.nulls, -2 * beta * factored(cross)

    def _radial_of_three(self) -> Iterator[Part]:
        others = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
        cross = Add(*(self.speeds[k] * self.delta_rate(k, l) * self.delta_rate(k, p) for k, l, p in others))
        yield -2 * self.beta**2, factored(cross)


def combined(parts: Iterable[Part]) -> Expr:
    """The sum of weight times part, put over one denominator where that is shorter."""
    weights: dict[Expr, Expr] = {}
    for weight, part in parts:
        number, symbolic = factor_terms(sympify(weight)).as_coeff_Mul()
        weights[symbolic] = weights.get(symbolic, S.Zero) + number * part
    functions: dict[Expr, Expr] = {}
    for symbolic, total in weights.items():
        short = _shorter(total)
        constant, function = short.as_independent(*map(generic_singular_value, index_symbols(3)), as_Add=False)
        functions[function] = functions.get(function, S.Zero) + constant * symbolic
    return factor_terms(Add(*(_shorter(coefficient) * function for function, coefficient in functions.items())))


def _shorter(total: Expr) -> Expr:
    return min((total, factor_terms(total), factored(total)), key=lambda form: form.count_ops())


_GENERIC: WeakKeyDictionary[SpectralMetric, GenericCurvature] = WeakKeyDictionary()


def generic_curvature(metric: SpectralMetric) -> GenericCurvature:
    """The generic terms of a metric, computed once."""
    if metric not in _GENERIC:
        _GENERIC[metric] = GenericCurvature(metric)
    return _GENERIC[metric]


def scalar_curvature(metric: SpectralMetric) -> Expr:
    """The scalar curvature: sums over one, two and three singular values.

    Parameters
    ----------
    metric : SpectralMetric
        Of any shape and rank, symbolic ones included, over R, C or H.

    Returns
    -------
    Expr
        In the singular values; with `IndexedSum` for a symbolic rank.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork, SpectralMetric
    >>> scalar_curvature(SpectralMetric(shape=(3, 3)))
    0
    >>> scalar_curvature(SpectralMetric(shape=(4, 3), rank=1))
    -12/sigma_1**2
    """
    generic = generic_curvature(metric)
    return Add(*(_summed(metric, generic, size) for size in (1, 2, 3)))


def _summed(metric: SpectralMetric, generic: GenericCurvature, size: int) -> Expr:
    coframe = metric.coframe
    if isinstance(coframe.rank, int) and coframe.rank < size:
        return S.Zero
    term = generic.scalar_term(size)
    return coframe.sum_over(size, lambda *sigma: term.xreplace(dict(zip(generic.sigma, sigma, strict=False))))
