"""The deep linear network against the definition of A_N, by brute force."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import (
    Expr,
    Float,
    Integer,
    Matrix,
    Mul,
    Pow,
    Rational,
    Symbol,
    det,
    diag,
    eye,
    nan,
    oo,
    sqrt,
    symbols,
    zeros,
)

from geometry import DeepLinearNetwork
from geometry.multiplier import definition_sum, geometric_sum
from tests.definition import (
    DefinedPoint,
    defined_operator,
    integrated_multiplier,
    precise_log_volume,
    precise_multiplier,
)

N = symbols("N", positive=True)
a, b = symbols("a b", positive=True)

CASES = [
    ((1, 1), 1),
    ((2, 2), 2),
    ((3, 2), 2),
    ((2, 4), 2),
    ((3, 3), 1),
    ((4, 3), 2),
    ((4, 4), 4),
    ((4, 4), 3),
    ((3, 4), 3),
]


def spectrum(rank: int, seed: int) -> np.ndarray:
    """Singular values between 0.4 and 2.5, at distances where the oracle keeps its digits."""
    generator = np.random.default_rng(seed)
    return np.sort(0.4 + 2.1 * (np.arange(rank) + generator.uniform(0.2, 0.8, rank)) / rank)[::-1]


def at(expression: Expr, network: DeepLinearNetwork, sigma: Any, **more: Any) -> float:
    """The value at singular values, with 30 digits in between."""
    numbers = {symbol: Float(float(value), 30) for symbol, value in zip(network.singular_values, sigma, strict=True)}
    return float(expression.subs({Symbol("N", positive=True): more["depth"]} if more else {}).subs(numbers).evalf(30))


# --------------------------------------------------------------------------------------- multipliers


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7, 20])
def test_multiplier_is_the_sum_of_the_definition(depth: int) -> None:
    network, symbolic = DeepLinearNetwork(depth, (3, 3)), DeepLinearNetwork(N, (3, 3))
    sigma = [Rational(7, 3), Rational(5, 4), Rational(1, 9)]
    with mpmath.workdps(50):
        for k in range(3):
            for l in range(3):
                expected = precise_multiplier(*(mpmath.mpf(sigma[i].p) / sigma[i].q for i in (k, l)), depth)
                for expression in (network.multiplier(k, l), symbolic.multiplier(k, l).subs(N, depth)):
                    value = expression.subs(dict(zip(network.singular_values, sigma, strict=True))).evalf(45)
                    assert abs(mpmath.mpf(value._to_mpmath(160)) / expected - 1) < mpmath.mpf(10) ** -40


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_multiplier_is_an_eigenvalue_of_the_operator(depth: int) -> None:
    point = DefinedPoint.random((4, 3), [2.1, 0.9], np.random.default_rng(1))
    operator, network = defined_operator(point.matrix, depth, 2), DeepLinearNetwork(depth, (4, 3), 2)
    for k in range(4):
        for l in range(3):
            Z = np.outer(point.left[:, k], point.right[:, l])
            if k < 2 and l < 2:
                expected = at(network.multiplier(k, l), network, point.sigma)
            elif k >= 2 and l >= 2:
                expected = 1.0 if depth == 1 else 0.0
            else:
                expected = at(network.null_multiplier(min(k, l)), network, point.sigma)
            np.testing.assert_allclose(operator(Z), expected * Z, atol=1e-12)


def test_multiplier_at_infinite_depth_is_the_integral() -> None:
    network = DeepLinearNetwork(oo, (2, 2))
    numbers = dict(zip(network.singular_values, (Rational(5, 2), Rational(1, 3)), strict=True))
    with mpmath.workdps(40):
        expected = integrated_multiplier(mpmath.mpf(5) / 2, mpmath.mpf(1) / 3)
        value = network.multiplier(0, 1).subs(numbers).evalf(38)
        assert abs(mpmath.mpf(value._to_mpmath(130)) / expected - 1) < mpmath.mpf(10) ** -35
        assert network.multiplier(1, 1).subs(numbers) == Rational(1, 9)


def test_infinite_depth_is_the_limit_of_the_sums() -> None:
    """Deviation of order 1/N: it halves where N doubles."""
    network = DeepLinearNetwork(N, (2, 2)).infinite_depth()
    assert network.depth == oo
    assert network.rescaled
    limit_value = at(network.multiplier(0, 1), network, (2.5, 0.7))
    with mpmath.workdps(30):
        deviations = [float(precise_multiplier(2.5, 0.7, depth) / depth) / limit_value - 1 for depth in (50, 100, 200)]
    for coarse, fine in pairwise(deviations):
        assert fine != 0
        # The next order is down by (log ratio)²/N or less.
        assert abs(coarse / fine - 2) < 0.1


def test_null_multiplier() -> None:
    for depth in (1, 2, 3, 6):
        network = DeepLinearNetwork(depth, (3, 2))
        assert (
            network.null_multiplier(1)
            .subs(network.singular_values[1], 5)
            .equals(
                sum(Integer(5) ** Rational(2 * (depth - p), depth) * (1 if p == 1 else 0) for p in range(1, depth + 1))
            )
        )
    assert DeepLinearNetwork(oo, (3, 2)).null_multiplier(0) == 0
    symbolic = DeepLinearNetwork(N, (3, 2))
    assert symbolic.null_multiplier(0).subs({N: 3, symbolic.singular_values[0]: 8}) == 16


def test_multiplier_takes_anything_that_is_an_index() -> None:
    network = DeepLinearNetwork(N, (3, 3))
    assert network.multiplier(np.int64(0), Integer(2)) == network.multiplier(0, 2) == network.multiplier(2, 0)


def test_sum_of_a_geometric_series() -> None:
    series = definition_sum(a, b, N)
    closed = geometric_sum(series)
    for depth in (1, 4, 9):
        difference = closed.subs(N, depth) - series.subs(N, depth).doit()
        assert abs(difference.subs({a: Rational(7, 2), b: Rational(2, 3)}).evalf(30)) < 1e-25
    p = series.limits[0][0]
    assert geometric_sum(type(series)(a, (p, 1, N))) == N * a
    with pytest.raises(ValueError, match="not geometric"):
        geometric_sum(type(series)(p, (p, 1, N)))


# ------------------------------------------------------------------------------------ the volume form


@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_volume_density_is_the_brute_force_determinant(shape: tuple[int, int], rank: int) -> None:
    symbolic = DeepLinearNetwork(N, shape, rank)
    density = symbolic.volume_density()
    for depth in range(1, 8):
        network = DeepLinearNetwork(depth, shape, rank)
        point = DefinedPoint.random(shape, spectrum(rank, 100 * depth + rank), np.random.default_rng(depth))
        expected = np.exp(point.log_volume(depth))
        # The oracle's eigenvalues of X Xᵀ lose 2 log10(6) digits of 16, its determinants of order 16 another one.
        np.testing.assert_allclose(at(network.volume_density(), network, point.sigma), expected, rtol=1e-10)
        np.testing.assert_allclose(at(density, network, point.sigma, depth=depth), expected, rtol=1e-10)
        np.testing.assert_allclose(np.exp(at(network.log_volume_density(), network, point.sigma)), expected, rtol=1e-10)


@pytest.mark.parametrize(("shape", "rank"), [((3, 2), 2), ((3, 3), 2), ((2, 2), 2)])
def test_volume_density_to_forty_digits(shape: tuple[int, int], rank: int) -> None:
    for depth in (2, 3, 7):
        network = DeepLinearNetwork(depth, shape, rank)
        sigma = [Rational(19, 7), Rational(3, 5)][:rank]
        value = network.log_volume_density().subs(dict(zip(network.singular_values, sigma, strict=True))).evalf(50)
        with mpmath.workdps(60):
            expected = precise_log_volume([mpmath.mpf(v.p) / v.q for v in sigma], shape, depth)
            assert abs(mpmath.mpf(value._to_mpmath(170)) - expected) < mpmath.mpf(10) ** -40


@pytest.mark.parametrize("field", ["C", "H"])
@pytest.mark.parametrize(("shape", "rank"), [((1, 1), 1), ((2, 2), 2), ((3, 2), 2), ((3, 3), 2)])
def test_other_fields_by_brute_force(field: str, shape: tuple[int, int], rank: int) -> None:
    for depth in (1, 2, 3, 5):
        network = DeepLinearNetwork(depth, shape, rank, field)
        point = DefinedPoint.random(shape, spectrum(rank, depth), np.random.default_rng(depth + 50), field)
        # Exponents are up to four times those over R, so that errors in σ are.
        assert abs(at(network.log_volume_density(), network, point.sigma) - point.log_volume(depth)) < 4e-10


@pytest.mark.parametrize(("field", "beta"), [("R", 1), ("C", 2), ("H", 4)])
@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((4, 3), 2)])
def test_exponents_of_the_volume_form(field: str, beta: int, shape: tuple[int, int], rank: int) -> None:
    """The stated formula as a target, at rational points of the depth, which no sum of N terms reaches."""
    network, (m, n) = DeepLinearNetwork(N, shape, rank, field), shape
    s, t = sigma = network.singular_values
    numbers = {s: Rational(7, 2), t: Rational(2, 3)}
    for depth in (Rational(5, 2), Rational(9)):
        stated = depth ** Rational(-beta * rank, 2) * (s ** (2 / depth) - t ** (2 / depth)) ** beta
        stated *= Mul(*(value ** (Integer(beta) * (m + n - 2 * rank + 1) / depth - 1) for value in sigma))
        ratio = network.volume_density().subs(N, depth).subs(numbers).evalf(30) / stated.subs(numbers).evalf(30)
        assert abs(ratio - 1) < 1e-25


@pytest.mark.parametrize(("field", "beta"), [("R", 1), ("C", 2), ("H", 4)])
def test_depth_one_integrates_to_the_volume_of_the_unit_ball(field: str, beta: int) -> None:
    """With the volume of the angles, vol(G_2)²/vol(S^(β-1))², for 2 x 2 matrices."""
    network = DeepLinearNetwork(1, (2, 2), field=field)
    density = network.volume_density().subs(
        dict(zip(network.singular_values, symbols("s t", positive=True), strict=True))
    )
    dimension = 4 * beta

    def sphere(k: int) -> mpmath.mpf:
        return 2 * mpmath.pi ** (mpmath.mpf(k) / 2) / mpmath.gamma(mpmath.mpf(k) / 2)

    def at_angle(angle: mpmath.mpf) -> mpmath.mpf:
        numbers = {
            Symbol("s", positive=True): Float(mpmath.cos(angle)),
            Symbol("t", positive=True): Float(mpmath.sin(angle)),
        }
        return mpmath.mpf(density.subs(numbers))

    # Homogeneous of degree dimension - 2: the radial integral is 1/dimension. A trigonometric polynomial otherwise.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    quarter = mpmath.pi / 4
    radial = (
        sum(w * at_angle(quarter * (x + 1) / 2) for x, w in zip(nodes, weights, strict=True)) * quarter / 2 / dimension
    )
    angles = (sphere(beta) * sphere(2 * beta)) ** 2 / sphere(beta) ** 2
    ball = mpmath.pi ** (mpmath.mpf(dimension) / 2) / mpmath.gamma(mpmath.mpf(dimension) / 2 + 1)
    assert abs(radial * angles / ball - 1) < 1e-12


@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 2), 2), ((3, 3), 2), ((3, 3), 1)])
def test_limit_of_the_volume_density(shape: tuple[int, int], rank: int) -> None:
    """Richardson extrapolation of N^(r²/2) times the brute-force determinant."""
    point = DefinedPoint.random(shape, spectrum(rank, 6), np.random.default_rng(7))
    depths = [32, 64, 128, 256, 512]
    table = [depth ** (rank**2 / 2) * np.exp(point.log_volume(depth)) for depth in depths]
    network = DeepLinearNetwork(oo, shape, rank)
    expected = at(network.volume_density(), network, point.sigma)
    deviations = [value / expected - 1 for value in table]
    if any(abs(deviation) > 1e-10 for deviation in deviations):
        # Decay like 1/N, or like 1/N² where the first order happens to vanish.
        assert 1.8 < deviations[-2] / deviations[-1] < 4.2
    for order in range(1, len(depths)):
        table = [(2**order * fine - coarse) / (2**order - 1) for coarse, fine in pairwise(table)]
    # What is left is of order 1 over the product of the depths, 3e-11, and eight times the rounding, 1e-12.
    np.testing.assert_allclose(table[0], expected, rtol=1e-9)


@pytest.mark.parametrize(("field", "beta"), [("C", 2), ("H", 4)])
def test_limit_of_the_volume_density_over_other_fields(field: str, beta: int) -> None:
    network = DeepLinearNetwork(oo, (3, 2), 2, field)
    point = DefinedPoint.random((3, 2), [1.6, 0.8], np.random.default_rng(3), field)
    expected = at(network.log_volume_density(), network, point.sigma)
    first, second, third = (depth_value(point, depth, beta) for depth in (40, 80, 160))
    # Two steps of Richardson: error of order (log ratio)³/(40·80·160) = 2e-6, exponents up to 8.
    extrapolated = (4 * (2 * third - second) - (2 * second - first)) / 3
    assert abs(extrapolated - expected) < 2e-5
    assert abs(third - expected) > 1e-4


def depth_value(point: DefinedPoint, depth: int, beta: int) -> float:
    """The logarithm of N^(β r²/2) √det g^N, r = 2."""
    return point.log_volume(depth) + 2 * beta * float(np.log(depth))


# -------------------------------------------------------------------------------------- exact arithmetic


def exact_density_square(tau: list[Rational], shape: tuple[int, int], depth: int) -> Rational:
    """det g^N at X = Q Σ Rᵀ with σ = τ^N and rational rotations, by exact linear algebra."""
    (m, n), r = shape, len(tau)
    spin = Matrix([[Rational(3, 5), Rational(-4, 5)], [Rational(4, 5), Rational(3, 5)]])
    Q, R = diag(spin, eye(m - 2)), diag(eye(n - 2), spin.T)
    sigma = zeros(m, n)
    for k in range(r):
        sigma[k, k] = tau[k] ** depth

    def power(Q: Matrix, side: int, exponent: int) -> Matrix:
        """(X Xᵀ)^(exponent/N), with eigenvalues τ^(2 exponent)."""
        values = [tau[k] ** (2 * exponent) if k < r else Integer(0) ** exponent for k in range(side)]
        return Q * diag(*values) * Q.T

    def turn(side: int, j: int, k: int) -> Matrix:
        K = zeros(side, side)
        K[j, k], K[k, j] = 1, -1
        return K

    frame = [Matrix(m, n, lambda i, j, k=k: int(i == j == k)) for k in range(r)]
    frame += [turn(m, j, k) * sigma for k in range(r) for j in range(k + 1, m)]
    frame += [-sigma * turn(n, j, k) for k in range(r) for j in range(k + 1, n)]
    frame = [Q * F * R.T for F in frame]
    powers = [(power(Q, m, depth - p), power(R, n, p - 1)) for p in range(1, depth + 1)]
    moved = [sum((L * F * S for L, S in powers), zeros(m, n)) for F in frame]
    flat, weighted = (
        Matrix(
            len(frame),
            len(frame),
            lambda i, j, right=right: sum(x * y for x, y in zip(frame[i], right[j], strict=True)),
        )
        for right in (frame, moved)
    )
    return det(flat) ** 2 / det(weighted)


@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 2), 2), ((3, 3), 2), ((2, 2), 1)])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_volume_density_with_rational_numbers(shape: tuple[int, int], rank: int, depth: int) -> None:
    tau = [Rational(5, 3), Rational(2, 7)][:rank]
    expected = exact_density_square(tau, shape, depth)
    assert expected > 0
    network, symbolic = DeepLinearNetwork(depth, shape, rank), DeepLinearNetwork(N, shape, rank)
    numbers = dict(zip(network.singular_values, (value**depth for value in tau), strict=True))
    for density in (network.volume_density(), symbolic.volume_density().subs(N, depth)):
        assert density.subs(numbers) ** 2 == expected


# --------------------------------------------------------------------- rescaling, symbolic shape, queries


@pytest.mark.parametrize(
    ("shape", "rank", "field"), [((2, 2), 2, "R"), ((3, 2), 2, "R"), ((4, 3), 2, "C"), ((2, 2), 1, "H")]
)
def test_rescaled_density(shape: tuple[int, int], rank: int, field: str) -> None:
    """Times N^(dim/2): the metric times N."""
    plain = DeepLinearNetwork(N, shape, rank, field)
    rescaled = DeepLinearNetwork(N, shape, rank, field, rescaled=True)
    ratio = rescaled.volume_density() / plain.volume_density()
    for depth in (2, 9):
        assert ratio.subs(N, depth).simplify() == sqrt(Integer(depth) ** plain.coframe.dimension)
        finite = DeepLinearNetwork(depth, shape, rank, field, rescaled=True)
        assert finite.multiplier(0, 0) * depth == DeepLinearNetwork(depth, shape, rank, field).multiplier(0, 0)
        assert (finite.volume_density() / rescaled.volume_density().subs(N, depth)).simplify() == 1


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_symbolic_shape(rank: int) -> None:
    m, n = symbols("m n", integer=True, positive=True)
    symbolic = DeepLinearNetwork(N, (m, n), rank)
    for shape in ((3, 3), (4, 3), (3, 5)):
        network = DeepLinearNetwork(N, shape, rank)
        ratio = symbolic.volume_density().subs({m: shape[0], n: shape[1]}) / network.volume_density()
        numbers = dict(
            zip(network.singular_values, (Rational(9, 2), Rational(4, 3), Rational(1, 7))[:rank], strict=True)
        )
        assert abs(ratio.subs(numbers).subs(N, Rational(7, 2)).evalf(30) - 1) < 1e-25
    assert DeepLinearNetwork(N, (m, 3), 2).volume_density().subs(m, 4).has(m) is False


def test_metric_exists_at_infinite_depth_only_for_square_full_rank() -> None:
    for shape, rank in (((3, 2), 2), ((3, 3), 2), (symbols("m n", integer=True, positive=True), 2)):
        network = DeepLinearNetwork(oo, shape, rank)
        with pytest.raises(ValueError, match="metric"):
            _ = network.metric
        assert network.volume_density().has(*network.singular_values)
    metric = DeepLinearNetwork(oo, (2, 2)).metric
    # There the volume form of the rescaled limit is that of the metric: N^(d²/2) is the rescaling.
    assert (metric.volume_density() / DeepLinearNetwork(oo, (2, 2)).volume_density()).simplify() == 1


def test_depth_in_all_its_forms() -> None:
    assert (
        DeepLinearNetwork(np.int64(3), (2, 2)) == DeepLinearNetwork(Integer(3), (2, 2)) == DeepLinearNetwork(3, (2, 2))
    )
    assert DeepLinearNetwork(float("inf"), (2, 2)).depth == oo
    assert DeepLinearNetwork(3, (3, 2)).rank == 2
    assert DeepLinearNetwork(3, (2, 2)) != DeepLinearNetwork(3, (2, 2), rescaled=True)
    assert len({DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(3, (2, 2), 2)}) == 1


def test_queries_that_numerics_read() -> None:
    square, tall, low = (DeepLinearNetwork(3, shape, rank) for shape, rank in (((3, 3), 3), ((3, 2), 2), ((3, 3), 2)))
    assert [network.moves_left_space for network in (square, tall, low)] == [False, True, True]
    assert [network.moves_right_space for network in (square, tall, low)] == [False, False, True]
    assert not any(network.freezes_spaces or network.is_projected for network in (square, tall, low))
    assert DeepLinearNetwork(oo, (3, 2)).freezes_spaces
    assert not DeepLinearNetwork(oo, (3, 2)).moves_left_space
    assert not DeepLinearNetwork(oo, (3, 3)).freezes_spaces
    assert DeepLinearNetwork(1, (3, 3), 2).is_projected
    assert not DeepLinearNetwork(1, (3, 2)).is_projected
    assert square.layer_count() == 3
    for depth in (N, oo):
        with pytest.raises(ValueError, match="depth"):
            DeepLinearNetwork(depth, (2, 2)).layer_count()


def test_formulas_have_no_quotients_of_zero() -> None:
    """Substituting equal singular values gives values, not nan."""
    network = DeepLinearNetwork(N, (3, 3))
    for k, l in combinations(range(3), 2):
        merged = network.multiplier(k, l).subs(network.singular_values[l], network.singular_values[k])
        assert (merged / network.multiplier(k, k)).simplify() == 1
        vanishing = network.volume_density().subs(network.singular_values[l], network.singular_values[k])
        assert vanishing == 0 != nan
    assert isinstance(network.multiplier(0, 0).as_independent(N)[1], (Pow, Mul))


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "depth",
    [0, -1, 2.5, True, False, "3", None, Rational(5, 2), -oo, nan, 1j, N + 1, Symbol("N"), Symbol("N", negative=True)],
)
def test_depths_that_make_no_sense(depth: Any) -> None:
    with pytest.raises(ValueError, match="depth"):
        DeepLinearNetwork(depth, (2, 2))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"shape": (0, 3)}, "shape"),
        ({"shape": (3, -1)}, "shape"),
        ({"shape": (3,)}, "shape"),
        ({"shape": (3, 3, 3)}, "shape"),
        ({"shape": 3}, "shape"),
        ({"shape": "33"}, "shape"),
        ({"shape": (2.5, 3)}, "shape"),
        ({"shape": (True, 3)}, "shape"),
        ({"shape": (3, 3), "rank": 0}, "rank"),
        ({"shape": (3, 3), "rank": 4}, "rank"),
        ({"shape": (3, 2), "rank": 3}, "rank"),
        ({"shape": (3, 3), "rank": 1.5}, "rank"),
        ({"shape": (3, 3), "rank": -1}, "rank"),
        ({"shape": (3, 3), "rank": True}, "rank"),
        ({"shape": (3, 3), "field": "Q"}, "field"),
        ({"shape": (3, 3), "field": "r"}, "field"),
        ({"shape": (3, 3), "field": None}, "field"),
        ({"shape": symbols("m n", integer=True, positive=True)}, "rank"),
    ],
)
def test_other_arguments_that_make_no_sense(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        DeepLinearNetwork(3, **arguments)


@pytest.mark.parametrize("index", [3, -1, 10**20])
def test_indices_out_of_range(index: int) -> None:
    network = DeepLinearNetwork(3, (3, 3))
    for call in (
        lambda: network.multiplier(index, 0),
        lambda: network.multiplier(0, index),
        lambda: network.null_multiplier(index),
    ):
        with pytest.raises(IndexError, match="index"):
            call()


@pytest.mark.parametrize("index", [0.0, "0", None])
def test_indices_that_are_no_integers(index: Any) -> None:
    with pytest.raises(TypeError):
        DeepLinearNetwork(3, (3, 3)).multiplier(index, 0)
