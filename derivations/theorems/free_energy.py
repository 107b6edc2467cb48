r"""The free energy F = E - T S: its gradient, and the equilibrium of the squared Frobenius norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
from sympy import Expr, Symbol, Tuple, sympify

from geometry import DeepLinearNetwork, explicit
from geometry.entropy import entropy
from geometry.free_energy import (
    entropy_degree,
    free_energy,
    free_energy_gradient,
    symmetric_equilibria,
)

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..references import CHEN_KOTWAL_MENON
from ..standard_networks import networks_over_fields, standard_networks
from ..step import Step
from .fibre_gram_matrix import FibreOrbit

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "free-energy"
REFERENCE = CHEN_KOTWAL_MENON
TEMPERATURE = Symbol("T", positive=True)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Standard ones and those over C and H."""
    return (*standard_networks(), *networks_over_fields())


def derive(network: DeepLinearNetwork) -> Derivation:
    """For E = ½ Σ σ_k², F = E - T S has an equilibrium where all σ_k² are equal to T ν/r, ν the degree of exp S.

    Raises
    ------
    NotApplicableError
        For a symbolic rank, as the gradient has r components.
    """
    if not network.coframe.has_explicit_rank:
        raise NotApplicableError(f"the gradient of the free energy needs an explicit rank, not {network.rank}")
    energy = _energy(network)
    (value,) = symmetric_equilibria(network, _energy_of_one, TEMPERATURE) or [sympify(0)]
    slopes = free_energy_gradient(network, energy, TEMPERATURE)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Brownian motion on balanced layers at temperature $T$ adds the entropy to the energy: "
        r"$F = E - T S$. The volume of the fibre is homogeneous in $\sigma$, of degree $\nu$, so that for the energy "
        r"$E = \frac{1}{2} \sum_k \sigma_k^2$ the sum $\sum_k \sigma_k^2$ is $T \nu$ at every equilibrium, and one has "
        r"equal singular values $s$.",
        steps=tuple(_steps(network, slopes, value)),
        result=Tuple(free_energy(network, energy, TEMPERATURE), value**2),
        subject=("F", "s^2"),
        reference=REFERENCE,
        residual=_residual,
    )


def _energy_of_one(sigma: Expr) -> Expr:
    return sigma**2 / 2


def _energy(network: DeepLinearNetwork) -> Expr:
    return network.coframe.sum_over(1, _energy_of_one)


def _steps(network: DeepLinearNetwork, slopes: Any, value: Expr) -> Iterator[Step]:
    sigma, degree = network.singular_values, entropy_degree(network)
    volume = entropy(network)
    virial = sum((name * explicit(volume.diff(name)) for name in sigma), sympify(0))
    yield Step(virial, degree, "the volume of the fibre is homogeneous: Euler's relation")
    work = sum((name * explicit(slope) for name, slope in zip(sigma, slopes, strict=True)), sympify(0))
    squares = sum((name**2 for name in sigma), sympify(0))
    yield Step(work, squares - TEMPERATURE * degree, "singular values times slopes of F: zero at an equilibrium")
    yield Step(network.coframe.rank * value**2, TEMPERATURE * degree, "all singular values equal: the common value")


def _residual(derivation: Derivation, route: str) -> float:
    """The slopes of F, as compiled, against the trace ½ tr(G⁻¹ ∂G) of the orbit's Gram matrix.

    The layers are linear in σ^{1/N}, so the Gram matrix is quadratic: a central difference is its derivative.
    """
    network, worst = derivation.network, 0.0
    if network.is_infinitely_deep:
        return _residual_at_infinite_depth(derivation, route)
    for _, values, point in instances(network, route):
        numbers: dict[Symbol, Any] = dict(zip(network.singular_values, point.singular_values, strict=True))
        numbers[TEMPERATURE] = point.singular_values[0] / point.singular_values[0] * 2
        slopes = [derivation.result[0].diff(sigma).subs(values) for sigma in network.singular_values]
        found = values_at(slopes, numbers, route)
        expected = [sigma - 2 * slope for sigma, slope in zip(point.singular_values, _slopes(point), strict=True)]
        for one, other in zip(found, expected, strict=True):
            difference = _exact(one - other) if route == "exact" else one - other
            worst = max(worst, abs(float(difference)))
    return worst


def _residual_at_infinite_depth(derivation: Derivation, route: str) -> float:
    """The slopes against those of the logarithms of the integrals that define A_∞."""
    if route == "exact":
        return 0.0  # nothing rational to compare with
    network = derivation.network
    sigma = [mpmath.mpf(7 - 2 * k) / 3 for k in range(len(network.singular_values))]
    numbers: dict[Symbol, Any] = dict(zip(network.singular_values, sigma, strict=True))
    numbers[TEMPERATURE] = mpmath.mpf(2)
    slopes = [derivation.result[0].diff(name) for name in network.singular_values]
    beta, worst = network.coframe.dyson_index, 0.0
    given = numbers if route == "precise" else {name: float(number) for name, number in numbers.items()}
    for k, found in enumerate(values_at(slopes, given, route)):
        forces = [_force(sigma[k], other) for l, other in enumerate(sigma) if l != k]
        slope = beta * mpmath.fsum(forces) / 2 + (beta - 1) / sigma[k]
        worst = max(worst, abs(float(found - (sigma[k] - 2 * slope))))
    return worst


def _force(a: Any, b: Any) -> Any:
    """The derivative by a of the logarithm of ∫ a^{2(1-s)} b^{2s} ds."""
    value = mpmath.quad(lambda s: a ** (2 * (1 - s)) * b ** (2 * s), [0, 1])
    return mpmath.quad(lambda s: 2 * (1 - s) * a ** (1 - 2 * s) * b ** (2 * s), [0, 1]) / value


def _exact(difference: Expr) -> Expr:
    return sympify(difference).expand()


def _slopes(point: Point) -> list[Any]:
    """∂S/∂σ_k from the definition, for hidden width r."""
    orbit = FibreOrbit(point)
    vectors = list(orbit.vectors())
    if not vectors:
        return [0 * sigma for sigma in point.singular_values]
    gram, found = orbit.gram(vectors), []
    for k, root in enumerate(orbit.layer_values):
        step = root / root
        change = _gram_at(orbit, k, root + step) - _gram_at(orbit, k, root - step)
        solved = point.solve(gram, change)
        trace = sum(solved[i, i] for i in range(len(vectors))) / 4
        found.append(trace * root / (orbit.depth * point.singular_values[k]))
    return found


def _gram_at(orbit: FibreOrbit, k: int, value: Any) -> Any:
    kept = orbit.layer_values[k]
    orbit.layer_values[k] = value
    gram = orbit.gram(list(orbit.vectors()))
    orbit.layer_values[k] = kept
    return gram
