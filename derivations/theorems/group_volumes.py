r"""The total volume: the density in singular values times the volume of the angles gives the unit ball."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
from sympy import (
    Abs,
    Expr,
    Integer,
    Integral,
    Mul,
    Symbol,
    cancel,
    exp,
    gamma,
    gammasimp,
    integrate,
    lambdify,
    oo,
    pi,
    simplify,
)

from geometry import DeepLinearNetwork
from geometry.coframe import SingularCoframe
from geometry.group_volumes import angular_volume, ball_volume, group_volume, sphere_volume, stiefel_volume

from ..derivation import Derivation, NotApplicableError
from ..references import FORRESTER
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "gaussian_integral", "networks"]

NAME = "total-volume"
REFERENCE = FORRESTER
NODES = 60
"""Gauss-Legendre nodes in double precision; the integrands are smooth."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Depth 1, full rank: square and rectangular, over R, C and H."""
    cases = (((2, 2), "R"), ((3, 2), "R"), ((3, 3), "R"), ((2, 2), "C"), ((2, 3), "C"), ((2, 1), "H"), ((2, 2), "H"))
    return tuple(DeepLinearNetwork(1, shape, field=field) for shape, field in cases)


def derive(network: DeepLinearNetwork) -> Derivation:
    """At depth 1 and full rank the density and the angles give the unit ball its volume π^{D/2}/Γ(D/2 + 1).

    Raises
    ------
    NotApplicableError
        Unless the metric is the Frobenius metric, on matrices of full and explicit rank.
    """
    coframe = network.coframe
    if not coframe.has_explicit_rank or network.pair_multiplier(Integer(2), Integer(3)) != Integer(1):
        raise NotApplicableError(f"the volume of the unit ball is about depth 1 and an explicit rank, not {network}")
    if coframe.left_nullity * coframe.right_nullity != 0 or not coframe.dimension.is_number:
        raise NotApplicableError(f"the unit ball consists of matrices of full rank and explicit shape, not {network}")
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The volume form in singular values, integrated over $|\sigma| \leq 1$ with "
        r"$\sigma_1 > \dots > \sigma_r > 0$ and multiplied by the volume of the angles, is the volume of the unit "
        r"ball in the space of all matrices, of dimension $D$.",
        steps=tuple(_steps(network)),
        result=ball_volume(coframe.dimension),
        subject=(r"\int_{|\sigma| \leq 1} \sqrt{\det g} \, d\sigma \cdot \mathrm{vol}(\text{angles})",),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork) -> Iterator[Step]:
    coframe = network.coframe
    (m, n), r, field, beta = coframe.shape, coframe.rank, coframe.field, coframe.dyson_index
    dimension, x = coframe.dimension, Symbol("rho", positive=True)
    size = beta * Integer(r)
    gaussian = sphere_volume(size - 1) * Integral(x ** (size - 1) * exp(-(x**2)), (x, 0, oo))
    yield Step(gaussian, pi ** (size / 2), "the sphere, from the Gaussian integral in polar coordinates")
    whole = group_volume(m, field) * group_volume(n, field)
    beside = group_volume(m - r, field) * group_volume(n - r, field) * sphere_volume(beta - 1) ** r
    yield Step(whole / beside, angular_volume(coframe), "frames up to units: rotations over what leaves X unchanged")
    radial = Integral(x ** (dimension - 1), (x, 0, 1)) / Integral(x ** (dimension - 1) * exp(-(x**2)), (x, 0, oo))
    yield Step(
        radial,
        1 / gamma(dimension / 2 + 1),
        "the ball against the Gaussian integral, by degree",
    )
    total = gammasimp(angular_volume(coframe) * gaussian_integral(coframe))
    yield Step(total, pi ** (dimension / 2), "Selberg's integral: the Gaussian integral over all matrices")


def gaussian_integral(coframe: SingularCoframe) -> Expr:
    """∫ √det g exp(-Σ σ_k²) dσ over σ_1 > … > σ_r > 0 at depth 1 and full rank, by Selberg's integral in x = σ².

    2^{-r}/r! Π_{j<r} Γ(a + 1 + jβ/2) Γ(1 + (j+1)β/2)/Γ(1 + β/2), a = β(|m-n| + 1)/2 - 1.
    """
    beta, rank = Integer(coframe.dyson_index), int(coframe.rank)
    exponent = beta * (coframe.left_nullity + coframe.right_nullity + 1) / 2 - 1
    factors = (
        gamma(exponent + 1 + j * beta / 2) * gamma(1 + (j + 1) * beta / 2) / gamma(1 + beta / 2) for j in range(rank)
    )
    return Mul(*factors) / (2**rank * gamma(rank + 1))


def _residual(derivation: Derivation, route: str) -> float:
    """The integral of the volume density itself, in σ_1 = t, σ_2 = t u, σ_3 = t u v, in which t separates."""
    network = derivation.network
    angles, dimension = _angles(network), network.coframe.dimension
    ratios = [Symbol(name, positive=True) for name in "uv"][: len(network.singular_values) - 1]
    sigma, jacobian = [Integer(1)], Integer(1)
    for place, ratio in enumerate(ratios):
        jacobian *= ratio ** (len(ratios) - 1 - place)
        sigma.append(sigma[-1] * ratio)
    density = network.volume_density().subs(dict(zip(network.singular_values, sigma, strict=True)))
    squares = sum((value**2 for value in sigma), Integer(0))
    shape = density * jacobian * squares ** (-dimension / 2) / dimension
    if route == "exact":
        if len(ratios) > 1:
            return 0.0  # no elementary integral: the other routes do it numerically
        found = shape
        for ratio in ratios:
            found = integrate(cancel(_without_bars(shape)), (ratio, 0, 1))
        return 0.0 if simplify(angles * found / derivation.result - 1) == 0 else 1.0
    found = _integrated(shape, ratios, route)
    return abs(float(found * mpmath.mpf(angles.evalf(60)) / mpmath.mpf(derivation.result.evalf(60)) - 1))


def _angles(network: DeepLinearNetwork) -> Expr:
    """The volume of the angles from Stiefel manifolds."""
    (m, n), r, field = network.coframe.shape, network.coframe.rank, network.coframe.field
    return (
        stiefel_volume(m, r, field) * stiefel_volume(n, r, field) / sphere_volume(network.coframe.dyson_index - 1) ** r
    )


def _without_bars(expression: Expr) -> Expr:
    """The differences of squares are positive for σ_1 > σ_2 > …: without absolute values."""
    return expression.replace(
        Abs, lambda inside: inside if inside.subs(dict.fromkeys(inside.free_symbols, 0)) > 0 else -inside
    )


def _integrated(shape: Expr, ratios: list[Symbol], route: str) -> Any:
    function = lambdify(ratios, shape, "mpmath" if route == "precise" else "numpy")
    if not ratios:
        return mpmath.mpf(shape.evalf(60))
    if route == "precise":
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(5, mpmath.mp.prec)
        points = [((1 + node) / 2, weight / 2) for node, weight in nodes]
    else:
        points = [
            ((1 + node) / 2, weight / 2) for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True)
        ]
    if len(ratios) < 2:
        return sum(weight * function(node) for node, weight in points)
    return sum(weight * other * function(node, second) for node, weight in points for second, other in points)
