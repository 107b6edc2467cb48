r"""Radial Brownian motion in flat coordinates: Dyson-Laguerre at every finite depth, Dyson at infinite depth."""

from __future__ import annotations

from typing import Any

from sympy import Expr, S, Symbol

from geometry import DeepLinearNetwork
from geometry.coframe import generic_singular_value
from geometry.indexed import SingularValue, index_symbols
from geometry.laplacian import SumOverOthers, at_index, inverse_radial_metric, log_volume_derivatives
from geometry.radial_diffusion import FlatCoordinate, RadialDiffusion, brownian_matrix_diffusion, radial_diffusion

from ..check_points import instances, values_at
from ..derivation import Derivation, require_metric
from ..references import FORRESTER
from ..step import Step
from .laplacian import coordinate_laplacian, largest_error, networks, number

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "radial-brownian-motion"
REFERENCE = FORRESTER.at("chapter 11")


def derive(network: DeepLinearNetwork) -> Derivation:
    """In y = ∫ dσ/√λ(σ, σ) the singular values of Brownian motion do Dyson-Laguerre, at infinite depth Dyson.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    require_metric(network)
    diffusion = radial_diffusion(network.metric)
    statement = (
        r"In the flat coordinates $y_k = \log \sigma_k$ radial Brownian motion is Dyson's."
        if network.is_infinitely_deep
        else r"In the flat coordinates $y_k$ radial Brownian motion is, at every depth, that of the singular values of "
        r"an $r \times (m+n-r)$ Brownian matrix."
    )
    return Derivation(
        name=NAME,
        network=network,
        statement=statement + r" Here $dy_k = dB_k + b_k\, dt$.",
        steps=_steps(network, diffusion),
        result=diffusion.drift,
        subject=("b_k",),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork, diffusion: RadialDiffusion) -> tuple[Step, ...]:
    """The coordinate is flat, and the drift is half the logarithmic derivative of the density in y."""
    metric, sigma = network.metric, generic_singular_value(index_symbols(1)[0])
    coordinate = _plain(diffusion.coordinate)
    inverse = inverse_radial_metric(metric)
    single, _ = log_volume_derivatives(metric)
    own = diffusion.drift.xreplace(dict.fromkeys(diffusion.drift.atoms(SumOverOthers), S.Zero))
    steps = [
        Step(inverse * coordinate.diff(sigma) ** 2, S.One, "the coordinate is flat"),
        Step(
            (single + inverse.diff(sigma) / inverse / 2) / coordinate.diff(sigma) / 2,
            _in_sigma(own, diffusion),
            "half the logarithmic derivative of the density in y: what one coordinate contributes",
        ),
    ]
    if not network.is_infinitely_deep:
        flat = brownian_matrix_diffusion(metric)
        first, other = (at_index(each.drift, 0) for each in (diffusion, flat))
        steps.append(Step(first, other, r"the same as for a Brownian matrix with r rows and m+n-r columns"))
    return tuple(steps)


def _plain(indexed_expression: Expr) -> Expr:
    """An expression in σ_k in the generic symbol."""
    return indexed_expression.replace(SingularValue, generic_singular_value)


def _in_sigma(own: Expr, diffusion: RadialDiffusion) -> Expr:
    """The drift's term in y_k as a function of σ_k."""
    k, _ = index_symbols(2)
    return own.xreplace({FlatCoordinate("y", k): _plain(diffusion.coordinate)})


def _residual(derivation: Derivation, route: str) -> float:
    """Δ tr (XᵀX)^q in coordinates of the matrices against Σ (f'' + 2 b_k f') in y."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # nothing rational to compare with: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        flat = coordinate_laplacian(point, route)
        for q in range(1, point.rank + 1):
            found = _generator(derivation, values, point, route, q)
            expected = flat.laplacian_of_power_sum(q)
            worst = max(worst, largest_error([found * _scale(numeric, route)], [expected]))
    return worst


def _scale(numeric: DeepLinearNetwork, route: str) -> Any:
    return float(numeric.operator_divisor) if route == "float" else int(numeric.operator_divisor)


def _generator(derivation: Derivation, values: dict[Symbol, Any], point: Any, route: str, q: int) -> Any:
    """Σ_k f''(y_k) + 2 b_k f'(y_k) for f = σ^{2q} as a function of y, all expressed in σ."""
    diffusion = radial_diffusion(derivation.network.metric)
    numeric_sigma = [Symbol(f"sigma_{k + 1}", positive=True) for k in range(point.rank)]
    coordinates = [at_index(diffusion.coordinate.subs(values), k) for k in range(point.rank)]
    names = {Symbol(f"y_{k + 1}", real=True): y for k, y in enumerate(coordinates)}
    terms = []
    for k, sigma in enumerate(numeric_sigma):
        speed = 1 / coordinates[k].diff(sigma)
        slope = speed * (2 * q * sigma ** (2 * q - 1))
        drift = at_index(derivation.result.subs(values), k).xreplace(names)
        terms.append(speed * slope.diff(sigma) + 2 * drift * slope)
    sigma_values = dict(zip(numeric_sigma, point.singular_values, strict=True))
    found = values_at([sum(terms[1:], terms[0])], sigma_values, route)[0]
    return number(found, route)
