r"""The partition function of E = tr Σ^{2/N}, by Selberg's integral in Laguerre's form."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Float, Integer, Mul, Rational, S, Symbol, pi, simplify, sympify

from geometry import DeepLinearNetwork, compile_kernel
from geometry.coframe import SingularCoframe, generic_singular_value
from geometry.gibbs import laguerre_density, mean_energy, partition_function
from geometry.group_volumes import angular_volume
from geometry.indexed import index_symbols
from geometry.laplacian import generic_volume_forms

from ..check_points import instances
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..references import FORRESTER_WARNAAR
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "gibbs-partition-function"
REFERENCE = FORRESTER_WARNAAR
TEMPERATURE = Rational(3, 7)
"""At which Z is checked."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of finite depth: standard, symbolic in everything, over C and H."""
    every = (*standard_networks(), symbolic_network(), *networks_over_fields())
    return tuple(network for network in every if not network.is_infinitely_deep)


def derive(network: DeepLinearNetwork) -> Derivation:
    """Z = ∫ exp(-tr Σ^{2/N}/T) dvol is a product of Γ functions, and the mean energy T dim/2.

    Raises
    ------
    NotApplicableError
        At infinite depth, where the energy confines nothing.
    """
    if network.is_infinitely_deep:
        raise NotApplicableError(
            "tr Σ^(2/N) is constant in the limit of infinite depth; choose a finite or symbolic depth"
        )
    T = Symbol("T", positive=True)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"With $x_k = \sigma_k^{2/N}$ the volume form is Laguerre's weight $x^{\alpha-1}$ times the "
        r"differences $|x_k - x_l|^\beta$; so $Z = \int e^{-\mathrm{tr}\, \Sigma^{2/N}/T}\, d\mathrm{vol}$ is "
        r"Selberg's integral.",
        steps=_steps(network, T),
        result=partition_function(network, T),
        subject=("Z",),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork, T: Symbol) -> tuple[Step, ...]:
    """The squares of the volume form's factors in x, and the mean energy."""
    first, second = map(generic_singular_value, index_symbols(2))
    x, z = Symbol("x", positive=True), Symbol("z", positive=True)
    values: dict[Expr, Expr] = {first: x ** (network.depth / 2), second: z ** (network.depth / 2)}
    single, pair = (
        Mul(*(base ** (2 * exponent) for base, exponent in form.factors)).xreplace(values)
        for form in generic_volume_forms(network.metric)
    )
    density = laguerre_density(network)
    weight = density.single_factor * x ** (density.alpha - 1)
    steps = [
        Step(single * values[first].diff(x) ** 2, weight**2, "the factors in one singular value, with dσ, squared")
    ]
    if pair != S.One:
        differences = density.pair_factor**2 * (x - z) ** (4 * density.gamma)
        steps.append(Step(pair, differences, "the factors in two, squared"))
    return (*steps, Step(mean_energy(network, T), T * network.coframe.dimension / 2, "equipartition: -∂ log Z/∂(1/T)"))


def _residual(derivation: Derivation, route: str) -> float:
    """Z² against a Gaussian integral, over all r x (m+n-r) matrices.

    In y = √N σ^{1/N} the energy is |y|²/N and the density of the definition is that of these matrices up to a
    constant, found at a point.
    """
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        m, n, r = *point.shape, point.rank
        flat = SingularCoframe((r, m + n - r), r, numeric.field)
        gaussian = (pi * numeric.depth * TEMPERATURE) ** (point.beta * r * (m + n - r))
        angles = (angular_volume(numeric.coframe) / angular_volume(flat)) ** 2
        expected = gaussian * angles * _ratio(numeric, point, route)
        # A number of symbols: the product over j < r is written out with the rank.
        found = derivation.result.subs(values).doit()
        worst = max(worst, _error(found, expected, route))
    return worst


def _error(found: Expr, expected: Expr, route: str) -> float:
    T = Symbol("T", positive=True)
    if route == "exact":
        return 0.0 if simplify(found.subs(T, TEMPERATURE) ** 2 / expected) == 1 else 1.0
    if route == "precise":
        return abs(float((found.subs(T, TEMPERATURE) ** 2 / expected).evalf(60) - 1))
    kernel = compile_kernel(found, [T])
    return abs(float(kernel(float(TEMPERATURE))) ** 2 / float(expected) - 1)


def _ratio(numeric: DeepLinearNetwork, point: Point, route: str) -> Expr:
    """(√det g dσ/dy)² of the definition over that of the Frobenius metric of r x (m+n-r) matrices at y."""
    depth, beta, (m, n), r = int(point.depth), point.beta, point.shape, point.rank
    squared = _expression(point.squared_volume()) * numeric.operator_divisor ** Integer(numeric.coframe.dimension)
    roots = [_root(point, k, route) for k in range(r)]
    for k, root in enumerate(roots):
        # dσ/dy = √N τ^(N-1), and Π y^(β(q-r+1)-1) Π |y_k² - y_l²|^β for q = m+n-r, all squared.
        squared *= depth * root ** (2 * depth - 2) / (depth * root**2) ** (beta * (m + n - 2 * r + 1) - 1)
        for other in roots[k + 1 :]:
            squared /= (depth * (root**2 - other**2)) ** (2 * beta)
    return squared


def _root(point: Point, k: int, route: str) -> Expr:
    if route == "exact":
        return point.roots[k]  # type: ignore[attr-defined]
    return _expression(point.singular_values[k]) ** Rational(1, int(point.depth))


def _expression(value: Any) -> Expr:
    return Float(value, 65) if not isinstance(value, Expr) and not isinstance(value, float) else sympify(value)
