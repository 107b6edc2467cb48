"""Scalar and Ricci curvature against metrics in coordinates, differentiated numerically.

Two independent routes: finite differences in mpmath of the metric in a chart X = [S, S Q; R S, R S Q] at matrices that
are not diagonal, and the Taylor coefficients of `derivations.curvature_oracle`, built from the definition alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Expr, Float, Matrix, Rational, Symbol, oo, sqrt, symbols

from derivations.curvature_oracle import CurvatureOracle
from derivations.definition import ExactPoint, FloatPoint
from geometry import DeepLinearNetwork, SpectralMetric, compile_kernel
from geometry.coframe import gram_matrix

N = Symbol("N", positive=True)
DIGITS = 60
STEP = mpmath.mpf(10) ** -15
CLOSE = 1e-24
"""Differences of second order leave 1e-30, and rounding 1e-60/STEP² as much, times derivatives of the metric."""


# ------------------------------------------------------------------ the metric in a chart, by its definition


def chart(coordinates: list[Any], shape: tuple[int, int], rank: int) -> mpmath.matrix:
    """[S, S Q; R S, R S Q]."""
    (m, n), numbers = shape, iter(coordinates)
    S, R, Q = (
        mpmath.matrix([[next(numbers) for _ in range(columns)] for _ in range(rows)]) if rows and columns else None
        for rows, columns in ((rank, rank), (m - rank, rank), (rank, n - rank))
    )
    X = mpmath.zeros(m, n)
    left, right = mpmath.zeros(m, rank), mpmath.zeros(rank, n)
    left[0:rank, 0:rank] = mpmath.eye(rank)
    right[0:rank, 0:rank] = mpmath.eye(rank)
    if R is not None:
        left[rank:m, 0:rank] = R
    if Q is not None:
        right[0:rank, rank:n] = Q
    X[:, :] = left * S * right
    return X


def square_root_data(square: mpmath.matrix, rank: int) -> tuple[list[Any], mpmath.matrix]:
    """The positive eigenvalues of X Xᵀ and the complete eigenvectors, positive ones first."""
    values, vectors = mpmath.eigsy(square)
    order = range(square.rows - 1, -1, -1)
    return [values[i] for i in list(order)[:rank]], mpmath.matrix(
        [[vectors[row, column] for column in order] for row in range(square.rows)]
    )


def network_operator(X: mpmath.matrix, rank: int, depth: Any) -> Callable[[mpmath.matrix], mpmath.matrix]:
    """A_N summed from N terms; A_∞ by Gauss-Legendre quadrature."""
    left, right = square_root_data(X * X.T, rank), square_root_data(X.T * X, rank)

    def power(data: tuple[list[Any], mpmath.matrix], exponent: Any) -> mpmath.matrix:
        values, vectors = data
        if exponent == 0:
            return mpmath.eye(vectors.rows)
        weights = [value**exponent for value in values] + [0] * (vectors.rows - rank)
        return vectors * mpmath.diag(weights) * vectors.T

    if depth == oo:
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(4, mpmath.mp.prec)
        terms = [(1 - (1 + x) / 2, (1 + x) / 2, w / 2) for x, w in nodes]
    else:
        terms = [(mpmath.mpf(depth - p) / depth, mpmath.mpf(p - 1) / depth, 1) for p in range(1, depth + 1)]
    factors = [(weight * power(left, s), power(right, t)) for s, t, weight in terms]

    def apply(Z: mpmath.matrix) -> mpmath.matrix:
        total = mpmath.zeros(Z.rows, Z.cols)
        for L, R in factors:
            total += L * Z * R
        return total

    return apply


def spectral_operator(
    X: mpmath.matrix, rank: int, multiplier: Callable[[Any, Any], Any]
) -> Callable[[mpmath.matrix], mpmath.matrix]:
    """A of a multiplier, in the singular basis of X."""
    U, sigma, Vt = mpmath.svd_r(X, full_matrices=True)
    values = [sigma[k] if k < rank else mpmath.mpf(0) for k in range(max(X.rows, X.cols))]

    def apply(Z: mpmath.matrix) -> mpmath.matrix:
        turned = U.T * Z * Vt.T
        for k in range(X.rows):
            for l in range(X.cols):
                tangent = k < rank or l < rank
                turned[k, l] *= multiplier(values[k], values[l]) if tangent else 0
        return U * turned * Vt

    return apply


def metric_in_chart(coordinates: list[Any], shape: tuple[int, int], rank: int, operator: Any) -> mpmath.matrix:
    """G B⁻¹ G with G = <∂_iX, ∂_jX> and B = <∂_iX, A ∂_jX>; the chart is quadratic in each coordinate at most."""
    size = len(coordinates)
    velocities = []
    for i in range(size):
        ahead, behind = list(coordinates), list(coordinates)
        ahead[i] += 1
        behind[i] -= 1
        velocities.append((chart(ahead, shape, rank) - chart(behind, shape, rank)) / 2)
    apply = operator(chart(coordinates, shape, rank))
    moved = [apply(velocity) for velocity in velocities]

    def inner(Y: mpmath.matrix, Z: mpmath.matrix) -> Any:
        return mpmath.fsum(Y[i, j] * Z[i, j] for i in range(Y.rows) for j in range(Y.cols))

    G = mpmath.matrix([[inner(Y, Z) for Z in velocities] for Y in velocities])
    B = mpmath.matrix([[inner(Y, Z) for Z in moved] for Y in velocities])
    return G * mpmath.lu_solve(B, G) if G.cols == 1 else G * mpmath.inverse(B) * G


def scalar_by_differences(coordinates: list[Any], shape: tuple[int, int], rank: int, operator: Any) -> Any:
    """The scalar curvature at a point of the chart, by central differences of the metric."""
    size = len(coordinates)

    def g(*moves: tuple[int, int]) -> Any:
        moved = list(coordinates)
        for index, sign in moves:
            moved[index] += sign * STEP
        found = metric_in_chart(moved, shape, rank, operator)
        return np.array([[found[i, j] for j in range(size)] for i in range(size)], dtype=object)

    here = g()
    ahead, behind = [g((i, 1)) for i in range(size)], [g((i, -1)) for i in range(size)]
    first = np.array([(ahead[i] - behind[i]) / (2 * STEP) for i in range(size)], dtype=object)
    second = np.empty((size, size, size, size), dtype=object)
    for i in range(size):
        second[i, i] = (ahead[i] - 2 * here + behind[i]) / STEP**2
        for j in range(i):
            both = g((i, 1), (j, 1)) + g((i, -1), (j, -1)) + 2 * here
            second[i, j] = second[j, i] = (both - ahead[i] - behind[i] - ahead[j] - behind[j]) / (2 * STEP**2)
    inverse = mpmath.inverse(mpmath.matrix(here.tolist()))
    inverse = np.array([[inverse[i, j] for j in range(size)] for i in range(size)], dtype=object)
    lowered = np.array(
        [
            [[(first[j, k, i] + first[i, k, j] - first[k, i, j]) / 2 for j in range(size)] for i in range(size)]
            for k in range(size)
        ],
        dtype=object,
    )
    total = mpmath.mpf(0)
    for i, k, l, m in np.ndindex(size, size, size, size):
        weight = inverse[i, l] * inverse[k, m]
        derivatives = second[k, l, i, m] + second[i, m, k, l] - second[k, m, i, l] - second[i, l, k, m]
        squares = (lowered[:, k, l] @ inverse @ lowered[:, i, m]) - (lowered[:, k, m] @ inverse @ lowered[:, i, l])
        total += weight * (derivatives / 2 + squares)
    return total


# ------------------------------------------------------------------ comparing with it


def singular_values_of(X: mpmath.matrix, rank: int) -> list[Any]:
    sigma = mpmath.svd_r(X, compute_uv=False)
    return [sigma[k] for k in range(rank)]


def value(expression: Expr, symbols_: Any, numbers: list[Any], digits: int = DIGITS) -> mpmath.mpf:
    found = expression.subs({s: Float(x, digits) for s, x in zip(symbols_, numbers, strict=True)}).evalf(digits)
    return mpmath.mpf(found._to_mpmath(mpmath.mp.prec))


def random_coordinates(shape: tuple[int, int], rank: int, seed: int) -> list[Any]:
    generator = np.random.default_rng(seed)
    size = rank * (shape[0] + shape[1] - rank)
    return [mpmath.mpf(int(generator.integers(-900, 900))) / 617 for _ in range(size)]


@pytest.mark.parametrize(
    ("shape", "rank", "depths"),
    [((2, 2), 2, (1, 2, 3, 5, oo)), ((3, 2), 1, (1, 2, 3, 5)), ((2, 3), 2, (1, 2, 3)), ((3, 3), 1, (1, 3))],
)
def test_network_by_finite_differences(shape: tuple[int, int], rank: int, depths: tuple[Any, ...]) -> None:
    """At matrices that are not diagonal; symbolic depth substituted as well."""
    with mpmath.workdps(DIGITS):
        coordinates = random_coordinates(shape, rank, seed=5)
        sigma = singular_values_of(chart(coordinates, shape, rank), rank)
        symbolic = DeepLinearNetwork(N, shape, rank).metric
        for depth in depths:
            expected = scalar_by_differences(
                coordinates, shape, rank, lambda X, depth=depth: network_operator(X, rank, depth)
            )
            metric = DeepLinearNetwork(depth, shape, rank).metric
            found = [value(metric.scalar_curvature(), metric.singular_values, sigma)]
            if depth != oo:
                found.append(value(symbolic.scalar_curvature().subs(N, depth), metric.singular_values, sigma))
            for number in found:
                assert abs(number - expected) <= CLOSE * max(1, abs(expected)), depth


@pytest.mark.parametrize(
    ("shape", "rank", "multiplier"),
    [
        ((2, 2), 2, lambda a, b: a + b),
        ((2, 2), 2, lambda a, b: a * b),
        ((3, 2), 2, lambda a, b: ((a**3 + b**3) / 2) ** Rational(1, 3)),
        ((3, 2), 1, lambda a, b: (sqrt(a) + sqrt(b)) ** 2),
    ],
)
def test_own_multiplier_by_finite_differences(shape: tuple[int, int], rank: int, multiplier: Any) -> None:
    with mpmath.workdps(DIGITS):
        coordinates = random_coordinates(shape, rank, seed=8)
        sigma = singular_values_of(chart(coordinates, shape, rank), rank)
        a, b = symbols("a b", positive=True)
        numeric = compile_kernel(multiplier(a, b), (a, b), "mpmath")

        def weight(x: Any, y: Any) -> Any:
            return numeric(x, y)

        expected = scalar_by_differences(coordinates, shape, rank, lambda X: spectral_operator(X, rank, weight))
        metric = SpectralMetric(shape=shape, rank=rank, multiplier=multiplier)
        found = value(metric.scalar_curvature(), metric.singular_values, sigma)
        assert abs(found - expected) <= CLOSE * max(1, abs(expected))
        assert expected != 0


@pytest.mark.parametrize(
    ("depth", "shape", "rank", "field"),
    [
        *((depth, (3, 3), 3, "R") for depth in (1, 2, 3, 5)),
        (2, (3, 2), 2, "R"),
        (5, (2, 2), 2, "R"),
        (3, (4, 2), 1, "R"),
        (1, (2, 2), 1, "C"),
        (3, (2, 1), 1, "C"),
        (3, (1, 1), 1, "H"),
    ],
)
def test_exactly(depth: int, shape: tuple[int, int], rank: int, field: str) -> None:
    """In rational numbers, at σ = τ^N: equal."""
    point = ExactPoint(depth, shape, rank, seed=3, field=field)
    expected = CurvatureOracle(point).scalar
    metric = DeepLinearNetwork(depth, shape, rank, field).metric
    found = metric.scalar_curvature().subs(dict(zip(metric.singular_values, point.singular_values, strict=True)))
    assert found.equals(Rational(int(expected.numerator), int(expected.denominator)))


FLOAT_CASES = [
    (depth, shape, rank, field)
    for depth in (1, 2, 3, 5, oo)
    for shape, rank, field in (((3, 3), 3, "R"), ((4, 3), 2, "R"), ((4, 4), 4, "R"), ((2, 2), 2, "C"), ((2, 2), 2, "H"))
    if (depth != oo or shape[0] == shape[1] == rank) and (depth in (3, oo) or (rank != 4 and field != "H"))
] + [(2, (3, 2), 2, "C"), (3, (3, 1), 1, "H"), (2, (3, 2), 1, "H")]


@pytest.mark.parametrize(("depth", "shape", "rank", "field"), FLOAT_CASES)
def test_scalar_and_ricci_in_floating_point(depth: Any, shape: tuple[int, int], rank: int, field: str) -> None:
    """Twelve digits of the largest entry: rounding in the oracle is 1e-15 times a condition number of the metric."""
    point = FloatPoint(depth, shape, rank, seed=3, field=field)
    oracle = CurvatureOracle(point)
    metric = DeepLinearNetwork(depth, shape, rank, field).metric
    numbers = dict(zip(metric.singular_values, (Float(x, 40) for x in point.singular_values), strict=True))
    size = max(1.0, float(abs(oracle.ricci).max()))
    assert abs(float(metric.scalar_curvature().subs(numbers)) - oracle.scalar) < 1e-12 * size * len(oracle.ricci)
    vectors = [components for vector, components in oracle.frame() if vector.component == 0]
    expected = np.array([[a @ oracle.ricci @ b for b in vectors] for a in vectors])
    found = np.array(metric.ricci_curvature().subs(numbers).evalf(20).tolist(), dtype=float)
    assert found.shape == expected.shape
    assert abs(found - expected).max() < 1e-11 * max(1.0, abs(expected).max())


def test_no_other_entries_of_the_ricci_tensor() -> None:
    """Over all real components: only rotations of one pair, and over C the phases, are coupled."""
    for field in ("C", "H"):
        oracle = CurvatureOracle(FloatPoint(3, (3, 2), 2, seed=2, field=field))
        for number, (v, a) in enumerate(oracle.frame()):
            for w, b in oracle.frame()[:number]:
                rotations = v.component == w.component and v.indices == w.indices and "rotation" in v.kind + w.kind
                phases = field == "C" and v.kind == w.kind == "phase"
                radial = v.kind == w.kind == "radial"
                if not (rotations or phases or radial):
                    assert abs(a @ oracle.ricci @ b) < 1e-11


@pytest.mark.parametrize("field", ["R", "C"])
def test_trace_of_ricci_is_scalar(field: str) -> None:
    """With the multiplicities of the blocks, for symbolic depth and a metric that is no network's."""
    own = SpectralMetric((4, 3), 2, lambda a, b: sqrt((a**2 + b**2) / 2), field)
    for metric in (DeepLinearNetwork(N, (5, 4), 3, field).metric, own):
        numbers = {s: Float(x, 40) for s, x in zip(metric.singular_values, ("2.3", "1.37", "0.71"), strict=False)}
        numbers[N] = Float("3.7", 40)
        ricci, trace, row = metric.ricci_curvature().subs(numbers), 0, 0
        for block in metric.coframe.blocks():
            size = len(block.forms)
            gram = (gram_matrix(block) / metric.block_multiplier(block)).subs(numbers)
            trace += block.multiplicity * (gram.inv() * ricci[row : row + size, row : row + size]).trace()
            row += size
        scalar = metric.scalar_curvature().subs(numbers)
        assert abs(trace - scalar) < 1e-30 * abs(scalar)
        assert scalar != 0


def test_flat() -> None:
    """Depth 1 at full rank is a vector space; the Ricci tensor vanishes over every field."""
    m, n, r = symbols("m n r", integer=True, positive=True)
    for field in ("R", "C", "H"):
        metric = DeepLinearNetwork(1, (3, 3), 3, field).metric
        assert metric.scalar_curvature() == 0
        assert metric.ricci_curvature() == Matrix.zeros(len(metric.forms))
        assert DeepLinearNetwork(1, (m, r), r, field).metric.scalar_curvature() == 0
    cone = DeepLinearNetwork(1, (m, n), 1).metric
    # The cone over S^{m-1} x S^{n-1}: (m-1)(m-2) + (n-1)(n-2) - (m+n-2)(m+n-3), over σ².
    d, e = m - 1, n - 1
    known = (d * (d - 1) + e * (e - 1) - (d + e) * (d + e - 1)) / cone.singular_values[0] ** 2
    assert (cone.scalar_curvature() - known).expand() == 0 != known


@pytest.mark.parametrize("field", ["R", "C", "H"])
@pytest.mark.parametrize("depth", [1, N])
def test_symbolic_rank(depth: Any, field: str) -> None:
    m, n, r = symbols("m n r", integer=True, positive=True)
    general = DeepLinearNetwork(depth, (m, n), r, field).metric.scalar_curvature()
    for rank in (1, 2, 4):
        metric = DeepLinearNetwork(depth, (5, 4), rank, field).metric
        numbers = {s: Float(k + 1, 40) ** Rational(1, 2) for k, s in enumerate(reversed(metric.singular_values))}
        numbers[N] = Float("4.3", 40)
        found = general.subs({m: 5, n: 4, r: rank}).doit().subs(numbers)
        expected = metric.scalar_curvature().subs(numbers)
        assert abs(found - expected) <= 1e-30 * max(1, abs(expected))


def test_symbolic_rank_at_infinite_depth() -> None:
    r = Symbol("r", integer=True, positive=True)
    general = DeepLinearNetwork(oo, (r, r), r).metric.scalar_curvature()
    metric = DeepLinearNetwork(oo, (3, 3)).metric
    assert (general.subs(r, 3).doit() - metric.scalar_curvature()).expand() == 0


def test_infinite_depth_is_the_limit() -> None:
    """N times the metric: the scalar curvature over N converges, with an error of order 1/N."""
    numbers = dict(zip(DeepLinearNetwork(2, (3, 3)).singular_values, map(Rational, ("5/2", "1", "2/3")), strict=True))
    limit = DeepLinearNetwork(oo, (3, 3)).metric.scalar_curvature().subs(numbers).evalf(30)
    finite = DeepLinearNetwork(N, (3, 3), rescaled=True).metric.scalar_curvature().subs(numbers)
    errors = [abs(finite.subs(N, depth).evalf(30) / limit - 1) for depth in (100, 200)]
    assert errors[0] < 1e-2
    assert 1.8 < errors[0] / errors[1] < 2.2


def test_invariances() -> None:
    """Under transposition; at infinite depth under scaling and inversion."""
    tall, wide = (DeepLinearNetwork(N, shape, 2).metric for shape in ((5, 3), (3, 5)))
    assert tall.scalar_curvature() == wide.scalar_curvature() != 0
    metric = DeepLinearNetwork(oo, (3, 3)).metric
    a, b, c = metric.singular_values
    scalar = metric.scalar_curvature()
    numbers = {a: Float("2.1", 40), b: Float("1.3", 40), c: Float("0.4", 40)}
    expected = scalar.subs(numbers)
    for moved in ({s: 7 * x for s, x in numbers.items()}, {a: 1 / numbers[c], b: 1 / numbers[b], c: 1 / numbers[a]}):
        assert abs(scalar.subs(moved) - expected) < 1e-33 * abs(expected)


def test_coalescence() -> None:
    """Where singular values meet: depths 2 and 3 evaluate there, symbolic depth converges to the same value."""
    for depth in (2, 3):
        metric = DeepLinearNetwork(depth, (3, 3)).metric
        kernel = compile_kernel(metric.scalar_curvature(), metric.singular_values)
        exact = metric.scalar_curvature().subs(dict.fromkeys(metric.singular_values, 1))
        assert np.isclose(kernel(1.0, 1.0 - 1e-9, 1.0 - 1e-8), float(exact), rtol=1e-7)
        symbolic = DeepLinearNetwork(N, (3, 3)).metric.scalar_curvature().subs(N, depth)
        near = dict(
            zip(metric.singular_values, (Float(1, 60), 1 - Float("1e-12", 60), 1 - Float("2e-12", 60)), strict=True)
        )
        assert abs(symbolic.subs(near).evalf(60) - exact) < 1e-10


def test_compact_and_fast() -> None:
    """Two by two in symbolic depth: sympy.diffgeom leaves 297 operations after 16 s."""
    start = time.perf_counter()
    assert DeepLinearNetwork(N, (2, 2)).metric.scalar_curvature().count_ops() < 40
    assert DeepLinearNetwork(N, (4, 4)).metric.scalar_curvature().count_ops() < 700
    assert time.perf_counter() - start < 10  # a second on an idle machine


def test_symbolic_rank_has_no_ricci_matrix() -> None:
    r = Symbol("r", integer=True, positive=True)
    with pytest.raises(ValueError, match="rank must be a number"):
        DeepLinearNetwork(2, (r, r), r).metric.ricci_curvature()
