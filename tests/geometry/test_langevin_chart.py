"""The chart of Langevin steps against the definitions: A_N as a sum, volumes of frames, moved singular values."""

from dataclasses import replace
from functools import cache
from typing import Any

import mpmath
import pytest
from mpmath import mpf
from sympy import Expr, Integer, Rational, Symbol, oo, symbols

from geometry import DeepLinearNetwork
from geometry.langevin_chart import FlatChart, flat_chart
from tests.definition import integrated_multiplier, precise_log_volume, precise_multiplier, precise_operator

DIGITS = 40
STEP = mpf(10) ** -10
"""Of differences with 40 digits: second ones are wrong by 1e-20 from the step and from rounding."""
TOLERANCE = mpf(10) ** -14
SMALLER = Rational(3, 11)
"""σ_l, for σ_k = 1."""
DEPTHS = [1, 2, 3, 7]


@cache
def chart_at(depth: Any, turning: bool = False, rescaled: bool = False) -> FlatChart:
    return flat_chart(DeepLinearNetwork(depth, (2, 2), rescaled=rescaled), turning)


def number(expression: Expr, **values: Any) -> mpf:
    """An expression in symbols of these names."""
    named = {symbol: values[symbol.name] for symbol in expression.free_symbols}
    return mpf(str(expression.subs(named).evalf(DIGITS)))


def at_pair(chart: FlatChart, expression: Expr) -> mpf:
    """A coefficient of the pair 1 > SMALLER."""
    y = chart.coordinate.subs(chart.sigma, SMALLER)
    return number(expression, z=(y / chart.top if chart.scales else y).evalf(DIGITS))


def flat(depth: Any, sigma: Any) -> mpf:
    """y, from ∫ dσ/√λ(σ, σ) with λ(σ, σ) = N σ^{2 - 2/N}."""
    return mpmath.log(sigma) if depth is oo else mpmath.sqrt(depth) * mpf(sigma) ** (mpf(1) / depth)


def multiplier(depth: Any, a: Any, b: Any) -> mpf:
    return integrated_multiplier(a, b) if depth is oo else precise_multiplier(a, b, depth)


# --------------------------------------------------------------------------------------- the pairs


def check_motion(chart: FlatChart, depth: Any) -> None:
    """s_kl, a_kl and the turn: what √λ (u_k v_lᵀ ± u_l v_kᵀ)/√2 moves Y by, from singular vectors by differences."""
    a, b = mpf(1), mpf(3) / 11
    root = mpmath.sqrt(multiplier(depth, a, b))
    spectrum, difference = mpmath.diag([a, b]), {}
    for name, sign in (("symmetric", 1), ("skew", -1)):
        move = root * mpmath.matrix([[0, 1], [sign, 0]]) / mpmath.sqrt(2)
        sides = []
        for step in (STEP, -STEP):
            U, s, V = mpmath.svd_r(spectrum + step * move)
            sides.append(U * mpmath.diag([flat(depth, value) for value in s]) * V)
        difference[name] = (sides[0] - sides[1])[0, 1] / (2 * STEP) * mpmath.sqrt(2)
    assert abs(at_pair(chart, chart.symmetric) - difference["symmetric"]) < TOLERANCE
    assert abs(at_pair(chart, chart.skew) - difference["skew"]) < TOLERANCE
    # A skew move by t turns u_1 by t/(σ_1 + σ_2)/√2 each way.
    turned, _, _ = mpmath.svd_r(spectrum + STEP * root * mpmath.matrix([[0, 1], [-1, 0]]))
    assert abs(abs(turned[1, 0] / turned[0, 0]) / STEP - at_pair(chart, chart.turn)) < mpf(10) ** -8


@pytest.mark.parametrize("depth", [*DEPTHS, oo])
def test_motion_of_the_chart(depth: Any) -> None:
    with mpmath.workdps(DIGITS):
        check_motion(chart_at(depth), depth)


@pytest.mark.parametrize(("name", "other"), [("symmetric", "skew"), ("skew", "turn"), ("turn", "skew")])
def test_mutants_of_the_motion_are_seen(name: str, other: str) -> None:
    chart = chart_at(3)
    with mpmath.workdps(DIGITS), pytest.raises(AssertionError):
        check_motion(replace(chart, **{name: getattr(chart, other)}), 3)


def defined_laplacians(depth: int, shape: tuple[int, int], sigma: tuple[Any, ...]) -> list[mpf]:
    """Δy_k = ∂ log √g/∂y_k in coordinates (y, angles), √g from the Gram matrix of a frame."""

    def log_density(y: list[Any]) -> mpf:
        values = [(value / mpmath.sqrt(depth)) ** depth for value in y]
        # dσ = √λ(σ, σ) dy.
        speeds = [mpmath.log(multiplier(depth, value, value)) / 2 for value in values]
        return precise_log_volume(values, shape, depth) + mpmath.fsum(speeds)

    y = [flat(depth, value) for value in sigma]
    slopes = []
    for k in range(len(y)):
        above, below = ([*y[:k], y[k] + step, *y[k + 1 :]] for step in (STEP, -STEP))
        slopes.append((log_density(above) - log_density(below)) / (2 * STEP))
    return slopes


def pulls(depth: int, s: mpf, a: mpf) -> list[mpf]:
    """Second derivatives of the singular values of diag(y) + t Z, over a symmetric and a skew Z of these lengths."""
    spectrum, step = mpmath.diag([flat(depth, 1), flat(depth, mpf(3) / 11)]), mpf(10) ** -8
    total = [mpf(0), mpf(0)]
    for length, sign in ((s, 1), (a, -1)):
        move = step * length * mpmath.matrix([[0, 1], [sign, 0]]) / mpmath.sqrt(2)
        values = [mpmath.svd_r(spectrum + k * move, compute_uv=False) for k in (-1, 0, 1)]
        for k in range(2):
            total[k] += (values[0][k] + values[2][k] - 2 * values[1][k]) / step**2
    return total


@pytest.mark.parametrize("turning", [False, True])
@pytest.mark.parametrize("depth", DEPTHS)
def test_drift_is_what_pulls_leave_of_the_laplacian(depth: int, turning: bool) -> None:
    with mpmath.workdps(DIGITS):
        chart = chart_at(depth, turning)
        skew = mpf(0) if turning else at_pair(chart, chart.skew)
        expected = defined_laplacians(depth, (2, 2), (mpf(1), mpf(3) / 11))
        pulled = pulls(depth, at_pair(chart, chart.symmetric), skew)
        found = [at_pair(chart, drift) for drift in (chart.larger_drift, chart.smaller_drift)]
        for value, laplacian, pull in zip(found, expected, pulled, strict=True):
            assert abs(value - (laplacian - pull)) < TOLERANCE
        # Without the Itô correction, and with the drift of the other chart.
        assert abs(found[0]) > 1e-3 or depth == 1
        other = chart_at(depth, not turning)
        assert abs(at_pair(other, other.larger_drift) - found[0]) > 1e-3


@pytest.mark.parametrize("depth", DEPTHS)
def test_shifts_are_pulls_less_the_slopes_of_lengths(depth: int) -> None:
    """Of log (σ_k ∓ σ_l) by y_k and y_l, by differences."""
    with mpmath.workdps(DIGITS):
        chart, b = chart_at(depth), mpf(3) / 11
        y = [flat(depth, 1), flat(depth, b)]

        def length(values: list[Any], sign: int) -> mpf:
            first, second = ((value / mpmath.sqrt(depth)) ** depth for value in values)
            return mpmath.log(first + sign * second)

        zero = mpf(0)
        for shifts, sign, pulled in (
            (chart.symmetric_shifts, -1, pulls(depth, at_pair(chart, chart.symmetric), zero)),
            (chart.skew_shifts, 1, pulls(depth, zero, at_pair(chart, chart.skew))),
        ):
            for k, shift in enumerate(shifts):
                above, below = ([*y[:k], y[k] + step, *y[k + 1 :]] for step in (STEP, -STEP))
                slope = (length(above, sign) - length(below, sign)) / (2 * STEP)
                assert abs(at_pair(chart, shift) - (pulled[k] - slope)) < TOLERANCE


@pytest.mark.parametrize("depth", [*DEPTHS, oo])
def test_poles_cancel_where_singular_values_coalesce(depth: Any) -> None:
    chart = chart_at(depth)
    for expression in (chart.larger_drift, chart.smaller_drift, *chart.symmetric_shifts):
        near, nearer = (
            number(expression, z=(1 - gap if chart.scales else -gap))
            for gap in (Rational(1, 10**6), Rational(1, 10**8))
        )
        assert abs(near - nearer) < 1e-4


@pytest.mark.parametrize("depth", [*DEPTHS, oo])
def test_entropy_and_speed(depth: Any) -> None:
    """½ ∂ log λ_kl by log σ_k and log σ_l, and √λ(σ, σ)/σ."""
    with mpmath.workdps(DIGITS):
        chart, b = chart_at(depth), mpf(3) / 11
        for expression, moved in (
            (chart.larger_entropy, lambda e: (mpmath.exp(e), b)),
            (chart.smaller_entropy, lambda e: (mpf(1), b * mpmath.exp(e))),
        ):
            above, below = (mpmath.log(multiplier(depth, *moved(step))) / 2 for step in (STEP, -STEP))
            assert abs(at_pair(chart, expression) - (above - below) / (2 * STEP)) < TOLERANCE
        speed = number(chart.speed, sigma_k=SMALLER)
        assert abs(speed - mpmath.sqrt(multiplier(depth, b, b)) / b) < TOLERANCE


# ------------------------------------------------------------------------------ null directions


@pytest.mark.parametrize("depth", DEPTHS)
def test_null_turn_is_that_of_the_operator(depth: int) -> None:
    """√λ u_⊥ v_kᵀ turns u_k by √λ/σ_k, with λ from A_N as a sum."""
    with mpmath.workdps(DIGITS):
        X = mpmath.matrix([[mpf(3) / 11], [0]])
        Z = mpmath.matrix([[0], [1]])
        weight = precise_operator(X, depth, 1)(Z)[1, 0]
        chart = chart_at(depth)
        y = chart.coordinate.subs(chart.sigma, SMALLER).evalf(DIGITS)
        assert abs(number(chart.null_turn, y_k=y) - mpmath.sqrt(weight) / (mpf(3) / 11)) < TOLERANCE


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_null_direction_adds_the_pull_of_a_unit_entry(depth: int) -> None:
    """To Δy_k, by frames of 3 x 2 and of 2 x 2 matrices: the second derivative of √(y² + t²); less ∂ log σ."""
    with mpmath.workdps(DIGITS):
        sigma = (mpf(1), mpf(3) / 11)
        chart = chart_at(depth)
        wide, square = (defined_laplacians(depth, shape, sigma) for shape in ((3, 2), (2, 2)))
        for value, more, less in zip(sigma, wide, square, strict=True):
            y, step = flat(depth, value), mpf(10) ** -8
            pull = 2 * (mpmath.sqrt(y**2 + step**2) - y) / step**2
            assert abs(more - less - pull) < 1e-12
            logs = [depth * mpmath.log(y + moved) for moved in (STEP, -STEP)]
            shift = number(chart.null_shift, y_k=y)
            assert abs(shift - (pull - (logs[0] - logs[1]) / (2 * STEP))) < 1e-12


def test_frozen_spaces_do_not_turn() -> None:
    chart = chart_at(oo)
    assert (chart.null_turn, chart.null_shift) == (0, 0)


# ------------------------------------------------------------------------------------ the interface


def test_symbolic_depth_and_any_shape() -> None:
    N = Symbol("N", positive=True)
    general = flat_chart(DeepLinearNetwork(N, symbols("m n", integer=True, positive=True), 2))
    special = chart_at(3)
    for name in ("symmetric", "skew", "turn", "larger_drift", "smaller_drift", "larger_entropy", "null_turn"):
        values = {"z": Rational(2, 7), "y_k": Rational(5, 3), "N": Integer(3)}
        found, expected = (number(getattr(chart, name), **values) for chart in (general, special))
        assert abs(found - expected) < 1e-14
    assert flat_chart(DeepLinearNetwork(3, (5, 4), 2)) == special


def test_a_rescaled_network_has_the_same_geometry_in_other_units() -> None:
    """The metric times N: lengths y times √N, velocities by 1/√N."""
    plain, rescaled = chart_at(3), chart_at(3, rescaled=True)
    values = {"z": Rational(2, 7)}
    root = mpmath.sqrt(3)
    assert abs(number(rescaled.symmetric, **values) - number(plain.symmetric, **values)) < 1e-14
    assert abs(number(rescaled.turn, **values) * root - number(plain.turn, **values)) < 1e-14
    assert abs(number(rescaled.larger_drift, **values) * root - number(plain.larger_drift, **values)) < 1e-14
    assert rescaled.null_turn.subs(rescaled.flat, 3) * Integer(3) ** Rational(1, 2) == plain.null_turn.subs(
        plain.flat, Integer(3) ** Rational(1, 2)
    )


@pytest.mark.parametrize("field", ["C", "H"])
def test_other_fields_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match="real field"):
        flat_chart(DeepLinearNetwork(3, (2, 2), field=field))
