"""The Laplacian of invariant functions, against the divergence form in coordinates of the matrices.

There the metric is <∂_i X, A_N⁻¹ ∂_j X> with A_N summed from matrix powers, and all derivatives are central
differences with 40 digits: nothing of singular values.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import pytest
from mpmath import mpf
from sympy import Expr, Integer, Rational, Symbol, exp, log, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric, compile_kernel, explicit
from geometry.indexed import SingularValue, index_symbols
from geometry.laplacian import SumOverOthers, at_index, laplacian, radial_derivative, radial_laplacian_drift
from tests.definition import precise_operator

N = Symbol("N", positive=True)
DIGITS = 40
STEP = mpf(10) ** -12
"""Central differences are off by STEP² times third derivatives of order 1, and by rounding over STEP²."""
TOLERANCE = 1e-13

Matrix = Any
Chart = Callable[[Sequence[Any]], Matrix]


# ------------------------------------------------------------------------- the definition, in coordinates


def infinite_operator(X: Matrix) -> Callable[[Matrix], Matrix]:
    """The integral of (X Xᵀ)^(1-s) Z (Xᵀ X)^s, by 24 Gauss-Legendre nodes: exact to 40 digits for close σ."""
    nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(3, mpmath.mp.prec)
    (p, P), (q, Q) = mpmath.eigsy(X * X.T), mpmath.eigsy(X.T * X)

    def power(values: Any, vectors: Any, exponent: Any) -> Matrix:
        return vectors * mpmath.diag([value**exponent for value in values]) * vectors.T

    terms = [(w / 2, power(p, P, (1 - s) / 2), power(q, Q, (1 + s) / 2)) for s, w in nodes]
    return lambda Z: sum((w * (L * Z * R) for w, L, R in terms), mpmath.zeros(Z.rows, Z.cols))


def metric_in_chart(chart: Chart, t: Sequence[Any], depth: Any, rank: int) -> tuple[Matrix, Any]:
    """The inverse of g_ij, and log √det g; with A F = F C for the frame F it is H⁻¹ B H⁻¹, H = FᵀF, B = FᵀAF."""
    X = chart(t)
    operator = infinite_operator(X) if depth == oo else precise_operator(X, int(depth), rank)
    frame = [derivative(chart, t, i) for i in range(len(t))]
    moved = [operator(vector) for vector in frame]
    flat, weighted = (mpmath.matrix([[inner(F, G) for G in row] for F in frame]) for row in (frame, moved))
    inverse = mpmath.inverse(flat)
    return inverse * weighted * inverse, mpmath.log(mpmath.det(flat)) - mpmath.log(mpmath.det(weighted)) / 2


def inner(Y: Matrix, Z: Matrix) -> Any:
    return mpmath.fsum(Y[i, j] * Z[i, j] for i in range(Y.rows) for j in range(Y.cols))


def shifted(t: Sequence[Any], i: int, by: Any) -> list[Any]:
    return [value + by if position == i else value for position, value in enumerate(t)]


def derivative(chart: Chart, t: Sequence[Any], i: int) -> Matrix:
    """∂_i X: exact, since charts are affine in each coordinate."""
    return (chart(shifted(t, i, 1)) - chart(shifted(t, i, -1))) / 2


def laplacian_in_chart(
    chart: Chart, t: Sequence[Any], depth: Any, rank: int, functions: Sequence[Callable[[Matrix], Any]]
) -> list[Any]:
    """(1/√g) ∂_i(√g g^ij ∂_j f) at t."""
    size = len(t)
    here, _ = metric_in_chart(chart, t, depth, rank)
    drift = [mpf(0)] * size
    for i in range(size):
        (above, high), (below, low) = (metric_in_chart(chart, shifted(t, i, s * STEP), depth, rank) for s in (1, -1))
        for j in range(size):
            drift[j] += ((above - below)[i, j] + here[i, j] * (high - low)) / (2 * STEP)
    results = []
    for function in functions:
        value = mpf(0)
        for i, j in itertools.product(range(size), repeat=2):
            value += here[i, j] * second_derivative(lambda s, f=function: f(chart(s)), t, i, j)
        for j in range(size):
            slope = function(chart(shifted(t, j, STEP))) - function(chart(shifted(t, j, -STEP)))
            value += drift[j] * slope / (2 * STEP)
        results.append(value)
    return results


def second_derivative(function: Callable[[Sequence[Any]], Any], t: Sequence[Any], i: int, j: int) -> Any:
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    return sum(a * b * function(shifted(shifted(t, i, a * STEP), j, b * STEP)) for a, b in signs) / (4 * STEP**2)


def entries_chart(m: int, n: int) -> Chart:
    return lambda t: mpmath.matrix([[mpf(t[n * i + j]) for j in range(n)] for i in range(m)])


def rank_chart(m: int, n: int, r: int) -> Chart:
    """[I; L] S [I, K]: the matrices of rank r whose upper left block S is invertible."""

    def chart(t: Sequence[Any]) -> Matrix:
        values = iter(map(mpf, t))
        left, right, core = mpmath.zeros(m, r), mpmath.zeros(r, n), mpmath.zeros(r, r)
        for i in range(r):
            left[i, i] = right[i, i] = mpf(1)
        for matrix, rows, columns in (
            (core, range(r), range(r)),
            (left, range(r, m), range(r)),
            (right, range(r), range(r, n)),
        ):
            for i, j in itertools.product(rows, columns):
                matrix[i, j] = next(values)
        return left * core * right

    return chart


POINT = [2.1, 0.3, -0.4, 0.2, 1.3, 0.5, -0.6, 0.1, 0.8, 0.45]
"""Coordinates that keep singular values and blocks away from zero."""
CHARTS = {
    (2, 2, 2): (entries_chart(2, 2), [2.1, 0.3, -0.4, 1.2]),
    (3, 3, 3): (entries_chart(3, 3), POINT[:9]),
    (3, 2, 1): (rank_chart(3, 2, 1), [1.2, 0.3, -0.4, 0.7]),
    (4, 3, 2): (rank_chart(4, 3, 2), [1.7, 0.3, -0.4, 1.2, *POINT[4:]]),
}


def trace_power(q: int) -> Callable[[Matrix], Any]:
    """tr (XᵀX)^q."""

    def function(X: Matrix) -> Any:
        total = gram = X.T * X
        for _ in range(q - 1):
            total = total * gram
        return mpmath.fsum(total[i, i] for i in range(total.rows))

    return function


CASES = [(size, depth) for size in CHARTS for depth in (1, 2, 3, 5, oo) if depth != oo or size[2] == size[0]]
"""At infinite depth the metric has a limit for m = n = r only."""


@pytest.mark.parametrize(("size", "depth"), CASES, ids=str)
def test_against_the_divergence_form_in_coordinates_of_the_matrices(size: tuple[int, int, int], depth: Any) -> None:
    m, n, rank = size
    network = DeepLinearNetwork(depth, (m, n), rank)
    sigma = network.singular_values
    powers = range(1, rank + 1)
    invariant = [sum((value ** (2 * q) for value in sigma), Integer(0)) for q in powers]
    found = compile_kernel([laplacian(network.metric, f) for f in invariant], sigma, backend="mpmath")
    chart, t = CHARTS[size]
    with mpmath.workdps(DIGITS):
        expected = laplacian_in_chart(chart, t, depth, rank, [trace_power(q) for q in powers])
        values = mpmath.svd_r(chart(t), compute_uv=False)
        actual = found(*(values[k] for k in range(rank)))
        for ours, theirs in zip(actual, expected, strict=True):
            assert abs(theirs) > 1
            assert abs(ours / theirs - 1) < TOLERANCE


# ------------------------------------------------------------------------------ flat space and exact cases


@pytest.mark.parametrize(("field", "beta"), [("R", 1), ("C", 2), ("H", 4)])
def test_depth_one_is_the_euclidean_laplacian(field: str, beta: int) -> None:
    metric = DeepLinearNetwork(1, (3, 3), field=field).metric
    a, b, c = metric.singular_values
    squares = a**2 + b**2 + c**2
    assert explicit(laplacian(metric, squares)).simplify() == 2 * 9 * beta
    # |X|^4 has the Laplacian 4 (D + 2) |X|² in D dimensions.
    difference = laplacian(metric, squares**2) - 4 * (9 * beta + 2) * squares
    assert difference.subs({a: 7, b: Rational(5, 2), c: Rational(1, 3)}) == 0


def test_determinants_at_depth_one() -> None:
    metric = DeepLinearNetwork(1, (3, 3)).metric
    a, b, c = metric.singular_values
    point = {a: 7, b: Rational(5, 2), c: Rational(1, 3)}
    # The determinant is linear in each entry; ∂_ij of (X⁻ᵀ)_ij is -(X⁻¹)_ji².
    assert laplacian(metric, a * b * c).subs(point) == 0
    logarithm = laplacian(metric, log(a * b * c)) + a**-2 + b**-2 + c**-2
    assert logarithm.subs(point) == 0
    # Over C the logarithm of |det X| is the real part of a holomorphic function.
    complex_metric = DeepLinearNetwork(1, (3, 3), field="C").metric
    assert laplacian(complex_metric, log(a * b * c)).subs(point) == 0


def test_a_metric_of_ones_own() -> None:
    """λ = ab is X → log X on diagonals; on 1 x 1 matrices Δ is (σ ∂)²."""
    metric = SpectralMetric((1, 1), multiplier=lambda a, b: a * b)
    (a,) = metric.singular_values
    assert laplacian(metric, a**3).expand() == 9 * a**3
    assert laplacian(metric, log(a)) == 0


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_symbolic_depth_substituted(depth: int) -> None:
    symbolic, integer = (DeepLinearNetwork(d, (4, 3), 2) for d in (N, depth))
    a, b = integer.singular_values
    point = {a: 2**depth, b: Rational(1, 3**depth)}
    function = a**2 * b + log(a + b)
    left, right = (laplacian(network.metric, function) for network in (symbolic, integer))
    assert (left.subs(N, depth).subs(point) - right.subs(point)).simplify() == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda c: c.sum_over(1, lambda a: a**2),
        lambda c: c.sum_over(1, lambda a: a**2) ** 2,
        lambda c: exp(-c.sum_over(1, lambda a: a)) * c.product_over(1, lambda a: a),
        lambda c: c.sum_over(2, lambda a, b: a**2 * b**2),
        lambda c: c.sum_over(2, lambda a, b: log(abs(a**2 - b**2))),
    ],
    ids=["sum", "square", "product", "pairs", "logarithms"],
)
@pytest.mark.parametrize("field", ["R", "H"])
def test_symbolic_rank_written_out(function: Callable[..., Expr], field: str) -> None:
    m, n, r = symbols("m n r", integer=True, positive=True)
    symbolic, network = DeepLinearNetwork(N, (m, n), r, field), DeepLinearNetwork(N, (5, 4), 3, field)
    point = dict(zip(network.singular_values, (Rational(7, 2), 2, Rational(3, 5)), strict=True)) | {N: 3}
    general = symbolic.metric.laplacian(function(symbolic.coframe)).subs({r: 3, m: 5, n: 4}).doit()
    special = network.metric.laplacian(function(network.coframe))
    expected = special.subs(point).evalf(30)
    assert abs(expected) > Rational(1, 1000)
    assert abs(general.subs(point).evalf(30) / expected - 1) < Rational(1, 10**24)


def test_nearly_coalescing_singular_values() -> None:
    """Each Δσ_k is singular there; of a smooth invariant function the Laplacian is not."""
    network = DeepLinearNetwork(3, (2, 2))
    a, b = network.singular_values
    value = laplacian(network.metric, a**2 + b**2)
    near, far = (value.subs({a: 1 + Rational(1, 10**e), b: 1}).evalf(60) for e in (14, 15))
    assert abs(near - far) < Rational(1, 10**12)


def test_drift_of_one_singular_value() -> None:
    """Δσ for vectors: (N - 2 + m) σ^{1-2/N}, m-dimensional Bessel's at depth 1."""
    k, _ = index_symbols(2)
    drift = radial_laplacian_drift(DeepLinearNetwork(N, (5, 1)).metric)
    assert (drift - (N + 3) * SingularValue(k) ** (1 - 2 / N)).expand() == 0


def test_sums_over_others() -> None:
    k, l = index_symbols(2)
    r = Symbol("r", integer=True, positive=True)
    total = SumOverOthers(SingularValue(k) * SingularValue(l) ** 2, (l,), r, k)
    s1, s2, s3 = (Symbol(f"sigma_{i}", positive=True) for i in (1, 2, 3))
    assert (at_index(total.subs(r, 3), 1) - s2 * (s1**2 + s3**2)).expand() == 0
    assert SumOverOthers(Integer(5), (l,), r, k) == 5 * (r - 1)
    # The bound index is none of the free ones, and is renamed where it would be captured.
    assert l not in total.free_symbols
    assert total.subs(k, l).subs({l: 3, r: 3}).doit().expand() == s1**2 * s3 + s2**2 * s3


def test_derivatives_through_sums() -> None:
    k, _ = index_symbols(2)
    network = DeepLinearNetwork(N, (5, 4), 3)
    r = Symbol("r", integer=True, positive=True)
    symbolic = DeepLinearNetwork(N, (5, 4), r)
    slope = radial_derivative(symbolic.log_volume_density(), k)
    point = dict(zip(network.singular_values, (Rational(7, 2), 2, Rational(3, 5)), strict=True)) | {N: 3}
    squares = network.volume_density() ** 2
    for position, sigma in enumerate(network.singular_values):
        found = slope.subs({r: 3, k: position + 1}).doit().subs(point).evalf(30)
        expected = (squares.diff(sigma) / squares / 2).subs(point).evalf(30)
        assert abs(found / expected - 1) < Rational(1, 10**24)


# ----------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("sigma_1**2", "not the text"),
        (Symbol("sigma_3", positive=True), "sigma_3"),
        (Symbol("sigma_1"), "sigma_1"),
        (float("nan"), "function must be a scalar"),
        ([1, 2], "function must be a"),
        (object(), "function must be an expression"),
    ],
)
def test_bad_functions(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepLinearNetwork(2, (2, 2)).metric.laplacian(function)


def test_bad_functions_for_a_symbolic_rank() -> None:
    r = Symbol("r", integer=True, positive=True)
    network = DeepLinearNetwork(2, (r, r), r)
    with pytest.raises(ValueError, match="sum_over"):
        network.metric.laplacian(network.singular_values[0])
    with pytest.raises(ValueError, match="single indices or pairs"):
        network.metric.laplacian(network.coframe.sum_over(3, lambda a, b, c: a * b * c))
