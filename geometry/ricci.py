r"""The Ricci tensor of a spectral metric, in the frame dual to its coframe.

The formulas and the names are those of `curvature`:

    Ric(D_k, D_l) = -Σ_i n_i (D_k D_l f_i)/f_i,
    Ric(e_i, e_i) = Ric_orbit(e_i, e_i) - Σ_k [D_k h_ik + h_ik Σ_j n_j h_jk]                   (e_i of length 1).

Sources: A. L. Besse, Einstein manifolds, chapters 7 and 9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from sympy import Add, Expr, Matrix, Rational, S, zeros

from .connection import at_indices, rational, require_explicit_rank
from .curvature import (
    Element,
    GenericCurvature,
    Part,
    combined,
    delta_symbol,
    generic_curvature,
    orbit_ricci,
    q_symbol,
    ratio_symbol,
)
from .normal_form import factored
from .structure import Generator, bracket, bracket_triples, generators

if TYPE_CHECKING:
    from .metric import SpectralMetric

__all__ = ["ricci_curvature"]


class GenericRicci:
    """The entries of the Ricci tensor in the frame dual to the coframe, in generic singular values.

    An entry is a sum of terms: on its own singular values, and on these with one more, which is summed over.
    """

    def __init__(self, generic: GenericCurvature) -> None:
        self.generic, self.beta, self.nulls = generic, generic.beta, generic.nulls
        self.speeds, self.slopes = generic.speeds, generic.slopes
        self.terms: dict[tuple[object, ...], Expr] = {}

    def term(self, kind: str, size: int, *options: object) -> Expr:
        """A term of the entry of a kind, on `size` singular values."""
        key = (kind, size, *options)
        if key not in self.terms:
            self.terms[key] = combined(getattr(self, f"_{kind}")(size, *options))
        return self.terms[key]

    def _families(self) -> Iterator[tuple[Expr, Callable[..., Expr]]]:
        """How many phases and null directions there are, and their logarithmic derivatives."""
        if self.beta > 1:
            yield self.beta - 1, self.generic.phase_rate
        if self.nulls != 0:
            yield self.nulls, self.generic.null_rate

    def _radial(self, size: int) -> Iterator[Part]:
        """Ric(∂_k, ∂_k) = -Σ_i n_i (D_k² f_i)/(f_i λ_kk)."""
        speed, slope = self.speeds[0], self.slopes[0]
        if size == 1:
            for weight, rate in self._families():
                yield -weight, factored(rate(0, 2) + rate(0) ** 2 + slope / speed * rate(0) / 2)
        else:
            a, g = self.generic.delta_rate(0, 1), self.generic.q_rate(0, 1)
            yield -self.beta, factored(self.generic.delta_rate(0, 1, 2) + a**2 / 2 + slope / speed * a / 2)
            yield -self.beta / 2, factored(g**2)

    def _mixed(self, size: int) -> Iterator[Part]:
        """Ric(∂_k, ∂_l) = -Σ_i n_i (∂_k ∂_l f_i)/f_i."""
        rates = [(self.generic.delta_rate(k, l), self.generic.q_rate(k, l)) for k, l in ((0, 1), (1, 0))]
        yield -self.beta, factored(rates[0][0].diff(self.generic.sigma[1]) + rates[0][0] * rates[1][0] / 2)
        yield -self.beta / 2, factored(rates[0][1] * rates[1][1])

    def _pair(self, size: int, sign: int) -> Iterator[Part]:
        """Half the sum (sign 1: Ω^U Ω^U, Ω^V Ω^V) or difference (-1: Ω^U Ω^V) of x Ric(e, e) over E^U ± E^V."""
        for kind, factor in (("plus", Rational(1, 2)), ("minus", Rational(sign, 2))):
            yield from self._orbit((kind, (0, 1)), size, self.beta, factor)
        yield from self._pair_of_two(sign) if size == 2 else self._pair_of_three(sign)

    def _twice_average(self, sign: int, even: Expr, odd: Expr) -> Expr:
        """x₊ (even + odd) + sign x₋ (even - odd)."""
        delta, q = (self.generic.values[name((0, 1))] for name in (delta_symbol, q_symbol))
        return factored(delta * (q * (even + odd) + sign * (even - odd) / q))

    def _pair_of_two(self, sign: int) -> Iterator[Part]:
        """The radial part on σ_k and σ_l."""
        even = odd = S.Zero
        for k, l in ((0, 1), (1, 0)):
            a, g = self.generic.delta_rate(k, l), self.generic.q_rate(k, l)
            turned = self.speeds[k] * self.beta * a
            even += self.generic.second(k, a, self.generic.delta_rate(k, l, 2)) + turned * a
            odd += self.generic.second(k, g, self.generic.q_rate(k, l, 2)) + turned * g
        yield Rational(-1, 4), self._twice_average(sign, factored(even), factored(odd))
        for weight, rate in self._families():
            rates = [(self.speeds[k] * rate(k), k, 1 - k) for k in (0, 1)]
            even = factored(Add(*(h * self.generic.delta_rate(k, l) for h, k, l in rates)))
            odd = factored(Add(*(h * self.generic.q_rate(k, l) for h, k, l in rates)))
            yield -weight / 4, self._twice_average(sign, even, odd)

    def _pair_of_three(self, sign: int) -> Iterator[Part]:
        """The radial part with one more singular value."""
        for k, l in ((0, 1), (1, 0)):
            own = self._twice_average(sign, self.generic.delta_rate(k, l), self.generic.q_rate(k, l))
            yield -self.beta / 4, own * factored(self.speeds[k] * self.generic.delta_rate(k, 2))

    def _imbalance(self, size: int) -> Iterator[Part]:
        """Half of Ric(E^U + E^V, E^U - E^V), from the null spaces; left and right have opposite signs."""
        pair, coframe = (Generator("plus", (0, 1)), Generator("minus", (0, 1))), self.generic.coframe
        for nullity, nulls in ((coframe.left_nullity, (1, 0)), (coframe.right_nullity, (0, 1))):
            yield from ((nullity * weight / 2, part) for weight, part in self._between(*pair, *nulls))

    def _phases(self, size: int) -> Iterator[Part]:
        """Ric of two phases: over C the rotations of a pair couple them, over H it averages out."""
        yield from self._between(Generator("minus", (0, 0), 1), Generator("minus", (1, 1), 1))

    def _between(self, first: Generator, second: Generator, *nulls: int) -> Iterator[Part]:
        """Ric_orbit(e_i, e_j), i and j different: Σ c_iab c_jab (1 + (x_i x_j - x_a² - x_b²)/(2 x_a x_b))."""
        total: Expr = S.Zero
        x, y = (ratio_symbol((g.kind, g.singular_indices)) for g in (first, second))
        field = self.generic.coframe.field
        for a, b in combinations(generators(field, 2, *nulls), 2):
            bracketed = bracket(a, b, field)
            if {first, second} <= set(bracketed) and not (a.is_isotropic or b.is_isotropic):
                u, v = (ratio_symbol((g.kind, g.singular_indices)) for g in (a, b))
                squares = first.square * second.square / (a.square * b.square)
                constant = rational(bracketed[first] * bracketed[second] * squares)
                total += constant * (1 + (x * y - u**2 - v**2) / (2 * u * v))
        if total != 0:
            yield from ((S.One, part) for part in self.generic.evaluated(total))

    def _phase(self, size: int) -> Iterator[Part]:
        yield from self._single(("minus", (0, 0)), size, self.beta - 1, self.generic.phase_rate, Rational(1, 4))

    def _left(self, size: int) -> Iterator[Part]:
        count = self.beta * self.generic.coframe.left_nullity
        yield from self._single(("left", (0,)), size, count, self.generic.null_rate, S.One)

    def _right(self, size: int) -> Iterator[Part]:
        count = self.beta * self.generic.coframe.right_nullity
        yield from self._single(("right", (0,)), size, count, self.generic.null_rate, S.One)

    def _single(
        self, element: Element, size: int, count: Expr, rate: Callable[..., Expr], square: Rational
    ) -> Iterator[Part]:
        """g(e, e) Ric for an element of one singular value: `square` is Q(e, e)."""
        yield from self._orbit(element, size, count, square)
        ratio, speed, h = square * self.generic.values[ratio_symbol(element)], self.speeds[0], rate(0)
        if size == 1:
            yield S.NegativeOne, factored(ratio * self.generic.second(0, h, rate(0, 2)))
            for weight, other in self._families():
                yield -weight, factored(ratio * speed * h * other(0))
        else:
            yield -self.beta, factored(ratio * speed * h * self.generic.delta_rate(0, 1))

    def _orbit(self, element: Element, size: int, count: Expr, factor: Expr) -> Iterator[Part]:
        """x Ric_orbit(e, e), times a factor, of one of `count` elements."""
        counts: dict[Expr, Expr] = {}
        for triple in bracket_triples(self.generic.coframe.field):
            for place, other in enumerate(triple.elements):
                if triple.size == size and other == element:
                    term = factor * orbit_ricci(triple, place)
                    counts[term] = counts.get(term, S.Zero) + triple.multiplicity(self.generic.coframe) / count
        yield from self.generic._weighted(counts)


def ricci_curvature(metric: SpectralMetric) -> Matrix:
    """The Ricci tensor Ric(e_a, e_b) in the frame dual to `metric.forms`, in their order.

    A_k and B_k stand for one component towards one null direction, over C and H a form for one of its components; their
    multiplicities are those of the coframe's blocks.

    Parameters
    ----------
    metric : SpectralMetric
        Of explicit rank; the shape may be symbolic.

    Raises
    ------
    ValueError
        If the rank is a symbol.

    Examples
    --------
    >>> from geometry import SpectralMetric
    >>> ricci_curvature(SpectralMetric(shape=(3, 3), rank=1))
    Matrix([
    [0,  0,  0],
    [0, -2,  0],
    [0,  0, -2]])
    """
    coframe = metric.coframe
    rank = require_explicit_rank(coframe, "the Ricci tensor")
    ricci = GenericRicci(generic_curvature(metric))
    place = {form: number for number, form in enumerate(metric.forms)}
    tensor = zeros(len(place))

    def entry(kind: str, indices: tuple[int, ...], *options: object) -> Expr:
        """The term on the indices themselves and those with one more."""
        groups = [indices, *((*indices, p) for p in range(rank) if p not in indices)]
        return Add(*(at_indices(coframe, ricci.term(kind, len(group), *options), group) for group in groups))

    for block in coframe.blocks():
        (i, *more), indices = [place[form] for form in block.forms], tuple(map(int, block.indices))
        if block.kind == "pair":
            (j,) = more
            imbalance = at_indices(coframe, ricci.term("imbalance", 2), indices)
            tensor[i, i], tensor[j, j] = (entry("pair", indices, 1) + sign * imbalance for sign in (1, -1))
            tensor[i, j] = tensor[j, i] = entry("pair", indices, -1)
        else:
            tensor[i, i] = entry(block.kind, indices)
    for kind, letter in (("mixed", "radial"), ("phases", "phase")):
        places = [place[block.forms[0]] for block in coframe.blocks() if block.kind == letter]
        for k, l in combinations(range(len(places)), 2):
            value = at_indices(coframe, ricci.term(kind, 2), (k, l))
            tensor[places[k], places[l]] = tensor[places[l], places[k]] = value
    return tensor
