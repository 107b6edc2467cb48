r"""Linearization of the flow at a minimizer of full rank: the rates are the eigenvalues of A."""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, Symbol, Tuple

import geometry.decay
from geometry import DeepLinearNetwork
from geometry.decay import LinearMode

from ..check_points import instances, values_at
from ..definition import FloatPoint, Point
from ..derivation import Derivation
from ..references import BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "linearization"
REFERENCE = BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG

SUBJECTS = {
    "radial": r"\text{rate of } u_k v_k^{\mathsf T}",
    "phase": r"\text{rate of the phase of } u_k v_k^{\mathsf T}",
    "pair": r"\text{rate of } u_k v_l^{\mathsf T}",
    "left": r"\text{rate of } u_\perp v_k^{\mathsf T}",
    "right": r"\text{rate of } u_k v_\perp^{\mathsf T}",
}
H, MINIMIZER = Symbol("h", positive=True), Symbol("s", positive=True)
STEP = 2.0**-24
"""Of the central difference: its error is of the order 1e-14."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of all kinds: standard, symbolic in everything, over C and H."""
    return (*standard_networks(), symbolic_network(), *networks_over_fields())


def derive(network: DeepLinearNetwork) -> Derivation:
    """At X = M the flow of ½|X - M|² decays at the rates λ_kl and λ_k0, and a spectral one at λ_kk e''(σ_k)."""
    modes = _first_of_each_kind(network)
    spectral = geometry.decay.spectral_linearization(network, lambda x: H * (x - MINIMIZER) ** 2 / 2, MINIMIZER)
    steps = [Step(_defined(network, mode), mode.rate, f"the {mode.kind} part of A at the minimizer") for mode in modes]
    own = defining_multiplier(network, MINIMIZER, MINIMIZER)
    steps.append(Step(own * H, spectral, "the derivative of the multiplier meets a slope of zero"))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Near a minimizer $M = X$ of $E = \tfrac12 |X - M|^2$ perturbations obey $dZ/dt = -\mathcal{A}(Z)$; "
        r"a spectral energy with $e'(s) = 0$, $e''(s) = h$ has the last of the rates.",
        steps=tuple(steps),
        result=Tuple(*(mode.rate for mode in modes), spectral),
        subject=(*(SUBJECTS[mode.kind] for mode in modes), r"\text{rate of } \sigma - s"),
        reference=REFERENCE,
        residual=_residual,
    )


def _first_of_each_kind(network: DeepLinearNetwork) -> list[LinearMode]:
    modes: dict[str, LinearMode] = {}
    for mode in geometry.decay.linearization(network):
        modes.setdefault(mode.kind, mode)
    return list(modes.values())


def _defined(network: DeepLinearNetwork, mode: LinearMode) -> Expr:
    first, last = (network.coframe.singular_value(mode.indices[place]) for place in (0, -1))
    if mode.kind in ("left", "right"):
        return defining_null_multiplier(network, first)
    return defining_multiplier(network, first, last)


def _residual(derivation: Derivation, route: str) -> float:
    """The derivative of X ↦ -A_X(X - M) at M along the basis of tangent vectors, for every mode at once."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        # From the network itself, whose depth may be a symbol, so that its modes are what is checked.
        shaped = DeepLinearNetwork(network.depth, numeric.shape, numeric.rank, network.field, network.rescaled)
        numbers = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        modes = geometry.decay.linearization(shaped)
        rates = values_at([mode.rate.subs(values) for mode in modes], numbers, route)
        divisor = numeric.operator_divisor if route == "exact" else float(numeric.operator_divisor)
        if sum(mode.multiplicity for mode in modes) != len(point.tangent_basis()):
            return 1.0
        for mode, rate in zip(modes, rates, strict=True):
            for k, l in _entries(mode, point):
                worst = max(worst, _mode_error(point, point.outer(k, l), rate, divisor))
    return worst


def _entries(mode: LinearMode, point: Point) -> list[tuple[int, int]]:
    (m, n), r, k, l = point.shape, point.rank, mode.indices[0], mode.indices[-1]
    if mode.kind == "left":
        return [(a, k) for a in range(r, m)]
    if mode.kind == "right":
        return [(k, b) for b in range(r, n)]
    return [(k, l), (l, k)]


def _mode_error(point: Point, Z: Any, rate: Any, divisor: Any) -> float:
    image = _derivative(point, Z) / divisor
    rows, columns = (point.beta * side for side in point.shape)
    off = max(abs(image[i, j] - rate * Z[i, j]) for i in range(rows) for j in range(columns))
    return float(off) / max(1.0, float(abs(rate)))


def _derivative(point: Point, Z: Any) -> Any:
    """d/dε of A_X(X - M) at X = M + ε Z: over R in doubles by central differences, otherwise A_M(Z).

    X has the rank of M as long as Z is one of the u_k v_lᵀ.
    """
    if not isinstance(point, FloatPoint) or point.beta > 1:
        return point.apply(Z)
    r, M = point.rank, 0.0
    for k, value in enumerate(point.singular_values):
        M = M + value * point.outer(k, k)
    velocities = []
    for step in (STEP, -STEP):
        U, values, Vt = np.linalg.svd(M + step * Z)
        moved = FloatPoint.at(point.depth, U, list(values[:r]), Vt.T)
        velocities.append(moved.apply(step * Z))
    return (velocities[0] - velocities[1]) / (2 * STEP)
