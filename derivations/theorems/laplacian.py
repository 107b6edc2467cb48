r"""The Laplace-Beltrami operator on invariant functions, against the divergence form in coordinates of the matrices.

The coordinates are S, L, K with X = [1; L] S [1, K], which at X = Σ̂ have an orthogonal frame; the
metric in them is <∂_i X, A_N⁻¹ ∂_j X>, and derivatives of fractional powers of X Xᵀ are divided differences of
their eigenvalues (Daleckii and Krein).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, Integer, Mul, Rational, S, Symbol

from geometry import DeepLinearNetwork
from geometry.coframe import generic_singular_value
from geometry.indexed import index_symbols
from geometry.laplacian import (
    at_index,
    generic_volume_forms,
    inverse_radial_metric,
    radial_derivative,
    radial_drift_terms,
    radial_laplacian_drift,
)

from ..check_points import instances, values_at
from ..definition import UNITS, Point
from ..derivation import Derivation, require_metric
from ..references import HELGASON
from ..standard_networks import networks_with_metric_of_all_kinds as networks
from ..step import Step

__all__ = [
    "NAME",
    "REFERENCE",
    "CoordinateLaplacian",
    "coordinate_laplacian",
    "derive",
    "largest_error",
    "networks",
    "number",
    "values_at_indices",
]

NAME = "laplacian"
REFERENCE = HELGASON.at("chapter II, section 3")

Array = Any


def derive(network: DeepLinearNetwork) -> Derivation:
    """Δf = Σ (λ_kk ∂_k² f + Δσ_k ∂_k f) with Δσ_k = ∂_k λ_kk + λ_kk ∂_k log √g, from the volume form.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    require_metric(network)
    metric, (k, _) = network.metric, index_symbols(2)
    drift = radial_laplacian_drift(metric)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"On functions of the singular values $\Delta f = \frac{1}{\sqrt g} \sum_k \partial_k(\sqrt g\, "
        r"\lambda_{kk}\, \partial_k f) = \sum_k (\lambda_{kk}\, \partial_k^2 f + \Delta\sigma_k\, \partial_k f)$.",
        steps=(*_steps(network), _whole(network, k)),
        result=drift,
        subject=(r"\Delta\sigma_k",),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """The part of ∂_k(√g λ_kk)/√g from factors in σ_k, and that of a pair, from the squares of these factors."""
    metric, sigma = network.metric, generic_singular_value(index_symbols(1)[0])
    inverse = inverse_radial_metric(metric)
    single, pair = generic_volume_forms(metric)
    own, between = radial_drift_terms(metric)
    density = Mul(*(base ** (2 * exponent) for base, exponent in single.factors))
    steps = [
        Step(
            inverse.diff(sigma) + inverse * density.diff(sigma) / density / 2,
            own,
            "what the factors of the volume form in a single singular value contribute",
        )
    ]
    if between != S.Zero:
        squares = Mul(*(base ** (2 * exponent) for base, exponent in pair.factors))
        steps.append(Step(inverse * squares.diff(sigma) / squares / 2, between, "what a pair of them contributes"))
    return tuple(steps)


def _whole(network: DeepLinearNetwork, k: Symbol) -> Step:
    """Δσ_1 from the volume form as a whole."""
    weight = network.multiplier(0, 0)
    (first,) = weight.free_symbols & {network.singular_values[0]}
    logarithm = network.log_volume_density()
    if network.coframe.has_explicit_rank:
        squares = network.volume_density() ** 2
        slope = squares.diff(first) / squares / 2
    else:
        slope = at_index(radial_derivative(logarithm, k), 0)
    closed = at_index(radial_laplacian_drift(network.metric), 0)
    return Step(weight.diff(first) + weight * slope, closed, "both together, for the first singular value")


# ------------------------------------------------------------------------------- against the definition


def values_at_indices(
    generic: Expr,
    numeric: DeepLinearNetwork,
    values: dict[Symbol, Any],
    point: Point,
    route: str,
) -> list[Any]:
    """The values of an expression in a generic index k, at the singular values of a point."""
    sigma = dict(zip(numeric.singular_values, point.singular_values, strict=True))
    written = [at_index(generic.subs(values), position) for position in range(point.rank)]
    found = values_at(written, sigma, route)
    scale = numeric.operator_divisor
    return [number(value * scale, route) for value in found]


def number(value: Any, route: str) -> Any:
    """A value in the arithmetic of a route: a Fraction, with mpmath, or a float."""
    if route == "exact":
        return Fraction(int(Rational(value).p), int(Rational(value).q))
    return mpmath.mpmathify(value) if route == "precise" else float(value)


def largest_error(found: list[Any], expected: list[Any]) -> float:
    """The largest difference relative to the largest value."""
    size = max(abs(value) for value in expected) or 1
    return max(float(abs(one - other) / size) for one, other in zip(found, expected, strict=True))


def _residual(derivation: Derivation, route: str) -> float:
    """Δ tr (XᵀX)^q, q = 1 … r, in coordinates of the matrices, against Σ (λ_kk f'' + Δσ_k f')."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # nothing rational to compare with: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        flat = coordinate_laplacian(point, route)
        drift = values_at_indices(derivation.result, numeric, values, point, route)
        sigma, weights = flat.singular_values, flat.radial_multipliers()
        for q in range(1, point.rank + 1):
            found = sum(
                weight * (2 * q) * (2 * q - 1) * s ** (2 * q - 2) + slope * (2 * q) * s ** (2 * q - 1)
                for s, weight, slope in zip(sigma, weights, drift, strict=True)
            )
            worst = max(worst, largest_error([found], [flat.laplacian_of_power_sum(q)]))
    return worst


@dataclass(frozen=True)
class CoordinateLaplacian:
    """(1/√g) ∂_i (√g g^ij ∂_j f) at X = Σ̂, in coordinates with an orthogonal frame there.

    Attributes
    ----------
    X : array
        Σ̂, in real blocks.
    beta : int
    frame : list of array
        ∂_i X.
    inverse : list
        g^ii; the others are zero at Σ̂.
    drift : list
        Δ of the coordinates, ∂_i g^ij + g^ij ∂_i log √g.
    singular_values : list
    """

    X: Array
    beta: int
    frame: list[Array]
    inverse: list[Any]
    drift: list[Any]
    singular_values: list[Any]

    def radial_multipliers(self) -> list[Any]:
        """<∂_i X, A ∂_i X> along σ_k: the coordinates S_kk."""
        rank, units = len(self.singular_values), self.beta
        return [self.inverse[units * (rank * k + k)] for k in range(rank)]

    def laplacian_of_matrix(self) -> Array:
        """ΔX, entry by entry: the coordinates are such that ∂_i² X = 0."""
        return sum(b * F for b, F in zip(self.drift, self.frame, strict=True))

    def laplacian_of_power_sum(self, q: int) -> Any:
        """Δ of tr (X Xᵀ)^q, from its expansion to second order along each coordinate."""
        total = 0
        for weight, slope, F in zip(self.inverse, self.drift, self.frame, strict=True):
            series = [self.X @ self.X.T, F @ self.X.T + self.X @ F.T, F @ F.T]
            power = series
            for _ in range(q - 1):
                power = [sum(power[i] @ series[order - i] for i in range(order + 1)) for order in range(3)]
            first, second = (np.trace(power[order]) / self.beta for order in (1, 2))
            total = total + 2 * weight * second + slope * first
        return total


def coordinate_laplacian(point: Point, route: str) -> CoordinateLaplacian:
    """The Laplacian at Σ̂ for the singular values of a point, with A_N of the definition."""
    return _at(_Place(route, str(point.depth), point.shape, point.field, tuple(point.singular_values), point))


@dataclass(frozen=True)
class _Place:
    """What the Laplacian at Σ̂ depends on; the point itself is along to compute it."""

    route: str
    depth: str
    shape: tuple[int, int]
    field: str
    singular_values: tuple[Any, ...]
    point: Point = dataclass_field(compare=False)


@lru_cache(maxsize=64)
def _at(place: _Place) -> CoordinateLaplacian:
    return _Definition(place.point, place.route).laplacian()


class _Definition:
    """A_N at Σ̂ and its derivatives, in Fractions, mpmath or floats."""

    def __init__(self, point: Point, route: str) -> None:
        self.point, self.route, self.beta = point, route, point.beta
        self.one = number(S.One, route)
        self.sigma = [number(value, route) for value in point.singular_values]
        (m, n), r = point.shape, point.rank
        self.values = [
            np.array([*self.sigma, *[0 * self.one] * (side - r)], dtype=object).repeat(self.beta) for side in (m, n)
        ]
        self.X = self.zeros(m, n)
        for k, value in enumerate(self.sigma):
            self.X += value * self.unit(m, n, k, k, 0)
        self.terms = list(self._terms())

    def zeros(self, rows: int, columns: int) -> Array:
        return np.full((self.beta * rows, self.beta * columns), 0 * self.one, dtype=object)

    def unit(self, rows: int, columns: int, k: int, l: int, number: int) -> Array:
        """A unit of the field at (k, l)."""
        result = self.zeros(rows, columns)
        block = np.array(UNITS[self.point.field][number], dtype=object) * self.one
        result[self.beta * k : self.beta * (k + 1), self.beta * l : self.beta * (l + 1)] = block
        return result

    def _terms(self) -> Any:
        """(weight, left, right) with the eigenvalues of the powers of X Xᵀ and XᵀX, and their divided differences."""
        if not isinstance(self.point.depth, Integer):
            degree = 4 if self.route == "precise" else 3
            for node, weight in mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(degree, mpmath.mp.prec):
                s = number((1 + node) / 2, self.route)
                yield number(weight / 2, self.route), self._power(0, 1 - s), self._power(1, s)
            return
        N = int(self.point.depth)
        for p in range(1, N + 1):
            yield self.one, self._power(0, Fraction(N - p, N)), self._power(1, Fraction(p - 1, N))

    def _power(self, side: int, exponent: Any) -> tuple[Array, Array]:
        values = self.values[side]
        powers = np.array([self._at(value, exponent) for value in values], dtype=object)
        quotients = np.full((len(values), len(values)), 0 * self.one, dtype=object)
        for i, j in product(range(len(values)), repeat=2):
            a, b = values[i], values[j]
            if a != b:
                quotients[i, j] = (powers[i] - powers[j]) / (a**2 - b**2)
            elif a != 0:
                quotients[i, j] = self._exponent(exponent) * powers[i] / a**2
        return powers, quotients

    def _exponent(self, exponent: Any) -> Any:
        exact = self.route == "exact" or not isinstance(exponent, Fraction)
        return exponent if exact else number(Rational(exponent.numerator, exponent.denominator), self.route)

    def _at(self, value: Any, exponent: Any) -> Any:
        """σ^{2 exponent}, with 0^0 = 1; a power of the N-th root on the exact route."""
        if exponent == 0 or value == 0:
            return self.one if exponent == 0 else value
        if self.route != "exact":
            return value ** (2 * self._exponent(exponent))
        root = self.point.roots[self.sigma.index(value)]  # type: ignore[attr-defined]
        return number(root, self.route) ** int(2 * exponent * int(self.point.depth))

    def apply(self, Z: Array) -> Array:
        """A Z."""
        return sum(w * left[0][:, None] * Z * right[0][None, :] for w, left, right in self.terms)

    def change_of_operator(self, F: Array) -> Callable[[Array], Array]:
        """Z to (∂A) Z, as X moves along F."""
        moves = (F @ self.X.T + self.X @ F.T, F.T @ self.X + self.X.T @ F)
        changes = [(w, left[1] * moves[0], left[0], right[0], right[1] * moves[1]) for w, left, right in self.terms]
        return lambda Z: sum(w * (dL @ (Z * R[None, :]) + (L[:, None] * Z) @ dR) for w, dL, L, R, dR in changes)

    def coordinates(self) -> list[tuple[Array, Array, Array]]:
        """(∂S, ∂L, ∂K) for the components of S, L and K."""
        (m, n), r, units = self.point.shape, self.point.rank, range(self.beta)
        rest = (self.zeros(r, r), self.zeros(m - r, r), self.zeros(r, n - r))
        found = []
        for position, part in enumerate(rest):
            rows, columns = (size // self.beta for size in part.shape)
            for k, l, number in product(range(rows), range(columns), units):
                moved = list(rest)
                moved[position] = self.unit(rows, columns, k, l, number)
                found.append((moved[0], moved[1], moved[2]))
        return found

    def laplacian(self) -> CoordinateLaplacian:
        coordinates = self.coordinates()
        core = self.X[: self.beta * self.point.rank, : self.beta * self.point.rank]

        def block(a: Array, b: Array, c: Array, d: Array) -> Array:
            return np.vstack([np.hstack([a, b]), np.hstack([c, d])])

        def second(i: int, j: int) -> Array:
            (s, l, k), (S, L, K) = coordinates[i], coordinates[j]
            return block(0 * core, s @ K + S @ k, L @ s + l @ S, l @ core @ K + L @ core @ k)

        frame = [block(s, core @ k, l @ core, l @ core @ k) for s, l, k in coordinates]
        size, moved = range(len(frame)), [self.apply(F) for F in frame]
        H, B = ([self.inner(F, Z) for F, Z in zip(frame, other, strict=True)] for other in (frame, moved))
        g = [b / h**2 for h, b in zip(H, B, strict=True)]
        drift = [0 * g[0] for _ in size]
        for i in size:
            change = self.change_of_operator(frame[i])
            slope = 0 * g[0]
            for j in size:
                # ∂_i of <∂_j X, ∂_j X> and of <∂_j X, A ∂_j X>, for log √g = Σ log H - ½ log B.
                turned = second(i, j)
                dH = 2 * self.inner(turned, frame[j])
                dB = 2 * self.inner(turned, moved[j]) + self.inner(frame[j], change(frame[j]))
                slope = slope + dH / H[j] - dB / B[j] / 2
                # ∂_i g^ij, from g⁻¹ = H⁻¹ B H⁻¹.
                still = second(i, i)
                mixed = self.inner(still, frame[j]) + self.inner(frame[i], turned)
                bent = self.inner(still, moved[j]) + self.inner(moved[i], turned)
                bent = bent + self.inner(frame[i], change(frame[j]))
                drift[j] = drift[j] + bent / (H[i] * H[j]) - mixed * (g[j] / H[i] + g[i] / H[j])
            drift[i] = drift[i] + g[i] * slope
        return CoordinateLaplacian(self.X, self.beta, frame, g, drift, self.sigma)

    def inner(self, Y: Array, Z: Array) -> Any:
        """tr(Yᵀ Z)/β."""
        return np.sum(Y * Z) / self.beta
