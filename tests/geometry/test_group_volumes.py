"""Volumes of spheres, groups and Stiefel manifolds against Gaussian integrals and the volume of balls."""

import mpmath
import pytest
from sympy import Rational, Symbol, pi, simplify, symbols

from geometry import DeepLinearNetwork, SingularCoframe
from geometry.group_volumes import angular_volume, ball_volume, group_volume, sphere_volume, stiefel_volume

BETA = {"R": 1, "C": 2, "H": 4}


def test_known_volumes() -> None:
    assert sphere_volume(0) == 2
    assert group_volume(1) == 2
    assert group_volume(2) == 2 * 2 * pi
    assert group_volume(3) == 2 * 8 * pi**2
    assert group_volume(1, "C") == 2 * pi
    # U_2 = U_1 x S³ here; with Ω_kl counted twice, as in the bi-invariant metric, it would be √2² times that.
    assert group_volume(2, "C") == 2 * pi * 2 * pi**2
    assert group_volume(1, "H") == 2 * pi**2


@pytest.mark.parametrize("dimension", range(1, 9))
def test_spheres_against_the_gaussian_integral(dimension: int) -> None:
    radial = mpmath.quad(lambda x: x ** (dimension - 1) * mpmath.exp(-(x**2)), [0, 1, 3, mpmath.inf])
    # Fifteen digits are what mpmath works with here.
    assert mpmath.almosteq(float(sphere_volume(dimension - 1)) * radial, mpmath.pi ** (dimension / 2), 1e-13)
    assert simplify(sphere_volume(dimension - 1) - dimension * ball_volume(dimension)) == 0


@pytest.mark.parametrize("field", "RCH")
def test_symbolic_sizes(field: str) -> None:
    m, n, r, k = symbols("m n r k", integer=True, positive=True)
    volume = angular_volume(SingularCoframe((m, n), r, field))
    assert simplify(volume.subs({r: 2, m: 3, n: 4}).doit() / angular_volume(SingularCoframe((3, 4), 2, field))) == 1
    assert simplify(group_volume(k, field).subs(k, 3).doit() / group_volume(3, field)) == 1
    assert simplify(stiefel_volume(n, 2, field).subs(n, 5) / (group_volume(5, field) / group_volume(3, field))) == 1


SHAPES = {"R": [(1, 1), (2, 1), (2, 2), (3, 2)], "C": [(2, 1), (2, 2), (3, 2)], "H": [(3, 1), (2, 2)]}


@pytest.mark.parametrize(("shape", "field"), [(shape, field) for field in "RCH" for shape in SHAPES[field]])
def test_the_unit_ball_of_matrices(shape: tuple[int, int], field: str) -> None:
    """The integral of the density of depth 1 over |X| ≤ 1, in σ_1 = t, σ_2 = t u; t is integrated exactly."""
    network = DeepLinearNetwork(1, shape, field=field)
    dimension = BETA[field] * shape[0] * shape[1]
    first, *rest = network.singular_values
    density = network.volume_density().subs(first, 1)
    if rest:
        integrand = mpmath.mp.quad(
            lambda u: mpmath.mpf(density.subs(rest[0], u)) * (1 + u**2) ** (-mpmath.mpf(dimension) / 2), [0, 1]
        )
    else:
        integrand = mpmath.mpf(density)
    ball = float(angular_volume(network.coframe)) * integrand / dimension
    assert mpmath.almosteq(ball, float(ball_volume(dimension)), 1e-12)


@pytest.mark.parametrize("bad", [-1, 1.5, True, Rational(1, 2), "two", float("nan")])
def test_bad_sizes(bad: object) -> None:
    with pytest.raises(ValueError, match="must be an integer"):
        group_volume(bad)  # type: ignore[arg-type]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="field"):
        group_volume(2, "Q")
    with pytest.raises(ValueError, match="k must be at most n"):
        stiefel_volume(2, 3)
    with pytest.raises(ValueError, match="dimension"):
        sphere_volume(Symbol("x", integer=False))
