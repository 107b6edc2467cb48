r"""Depth 2 on positive definite matrices is twice the Bures-Wasserstein metric, with geodesics in closed form."""

from __future__ import annotations

from typing import Any

from sympy import Symbol, Tuple, lambdify, symbols

from geometry import DeepLinearNetwork

from ..check_points import instances
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..references import BHATIA_JAIN_LIM
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "bures-wasserstein"
REFERENCE = BHATIA_JAIN_LIM


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Depth 2 at full rank."""
    return (DeepLinearNetwork(2, (2, 2)), DeepLinearNetwork(2, (3, 3)))


def derive(network: DeepLinearNetwork) -> Derivation:
    """λ = a + b, and the momentum P = S (1 + tS)⁻¹ that solves the geodesic equation dP/dt = -P².

    Raises
    ------
    NotApplicableError
        If the multiplier is not a + b, the field not R, or the matrices not square of full rank.
    """
    a, b = symbols("sigma_1 sigma_2", positive=True)
    weight = network.pair_multiplier(a, b)
    if weight != a + b or network.coframe.has_null_directions or network.field != "R":
        raise NotApplicableError(
            f"{network} is no multiple of Bures-Wasserstein: choose depth 2, rank = m = n, field R"
        )
    slope, time = symbols("s t", positive=True)
    momentum = momentum_of(slope, time)
    steps = (
        Step(defining_multiplier(network, a, b), a + b, "twice Bures-Wasserstein: A(P) = X P + P X on symmetric P"),
        Step(momentum.diff(time), -(momentum**2), "the geodesic equation, in one eigenvalue s of S = T - I"),
    )
    return Derivation(
        name=NAME,
        network=network,
        statement=r"On positive definite matrices $g^2$ is twice the Bures-Wasserstein metric; with $T A T = C$ its "
        r"geodesic from $A$ to $C$ is $(I + t S) A (I + t S)$, $S = T - I$, with momentum $P = S (I + t S)^{-1}$ and "
        r"squared speed $2 (\mathrm{tr} A + \mathrm{tr} C - 2 \, \mathrm{tr} (A^{1/2} C A^{1/2})^{1/2})$.",
        steps=steps,
        result=Tuple(weight, momentum),
        subject=(r"\lambda", r"P(s)"),
        reference=REFERENCE,
        residual=_residual,
    )


def momentum_of(slope: Any, time: Any) -> Any:
    """The momentum in an eigenvalue of S: s/(1 + t s)."""
    return slope / (1 + time * slope)


def _residual(derivation: Derivation, route: str) -> float:
    """dX/dt = A_2(P) summed from the definition at X(t), with S of random eigenvectors, and the squared speed."""
    return max(_error(derivation, point) for _, _, point in instances(derivation.network, route))


def _error(derivation: Derivation, point: Point) -> float:
    size = point.shape[0]
    roots, slopes, one = (point.matrix(size, size) for _ in range(3))
    momenta = point.matrix(size, size)
    time, symbol = point.singular_values[0] / 5, Symbol("s", positive=True)
    for k, sigma in enumerate(point.singular_values):
        roots[k, k], one[k, k] = sigma, sigma / sigma
        slopes[k, k] = (k + 1) * (sigma / sigma) / 3
        value = derivation.result[1].subs({symbol: Symbol("x"), Symbol("t", positive=True): Symbol("y")})
        numerator, denominator = value.as_numer_denom()
        momenta[k, k] = _at(numerator, slopes[k, k], time) / _at(denominator, slopes[k, k], time)
    A, S, P = point.U @ roots @ point.U.T, point.V @ slopes @ point.V.T, point.V @ momenta @ point.V.T
    F = one + time * S
    X, T = F @ A @ F, one + S
    velocity = S @ A @ F + F @ A @ S
    # (X Xᵀ)^{1/2} = (Xᵀ X)^{1/2} = X for positive definite X: the two terms of A_2.
    errors = velocity - (X @ P + P @ X)
    speed, distance = velocity @ P, A + T @ A @ T - T @ A - A @ T
    trace = sum(speed[k, k] - 2 * distance[k, k] for k in range(size))
    worst = max(abs(errors[i, j]) for i in range(size) for j in range(size))
    return float(max(worst, abs(trace)))


def _at(expression: Any, slope: Any, time: Any) -> Any:
    """A polynomial in x and y at numbers of any arithmetic."""
    return lambdify([Symbol("x"), Symbol("y")], expression, modules=[{}])(slope, time)
