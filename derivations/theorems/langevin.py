r"""The Riemannian Langevin equation: Itô's correction to the drift of X, in the singular basis."""

from __future__ import annotations

from sympy import Expr, S, Symbol, Tuple

from geometry import DeepLinearNetwork, explicit
from geometry.coframe import CoframeBlock, generic_singular_value, gram_matrix
from geometry.indexed import index_symbols
from geometry.langevin_equation import correction_terms, matrix_laplacian, orbit_acceleration
from geometry.laplacian import model_blocks, radial_drift_terms, radial_laplacian_drift

from ..check_points import instances
from ..derivation import Derivation, require_metric
from ..references import MENON_YU_LANGEVIN
from ..step import Step
from .laplacian import coordinate_laplacian, largest_error, networks, values_at_indices

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "langevin-equation"
REFERENCE = MENON_YU_LANGEVIN
REASONS = {
    "phase": "turning a phase, per component: the second derivative of the orbit over its squared length",
    "pair": "rotating a pair, traced with the inverse of its Gram matrix",
    "left": "turning the column space, per component",
    "right": "turning the row space, per component",
}


def derive(network: DeepLinearNetwork) -> Derivation:
    """dX = (T ΔX - A(∇E)) dt + √(2T) A^{1/2}(dW), with ΔX = U diag(c_k) Vᵀ from radial and rotational parts.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    require_metric(network)
    correction = matrix_laplacian(network.metric)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The Langevin equation is $dX = (T\, \Delta X - \mathcal{A}(\nabla E))\, dt + \sqrt{2T}\, "
        r"\mathcal{A}^{1/2}(dW)$ with $\Delta X = U \,\mathrm{diag}(c_k)\, V^{\mathsf T}$, and entries "
        r"$\sqrt{2 T \lambda_{kl}}\, dW_{kl}$ of the noise; $\sigma_k$ drifts by $T \Delta\sigma_k$.",
        steps=(*_orbit_steps(network), *_sum_steps(network)),
        result=Tuple(correction, radial_laplacian_drift(network.metric)),
        subject=("c_k", r"\Delta\sigma_k"),
        reference=REFERENCE,
        residual=_residual,
    )


def _orbit_steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """Each kind of rotation: the second derivatives of exp(tξ) Σ exp(-tη) over squared lengths."""
    steps = []
    for kind, block in model_blocks(network.metric).items():
        if kind in REASONS:
            symbols = tuple(map(network.coframe.singular_value, block.indices))
            traced = _traced(block, symbols)
            steps.append(Step(traced, orbit_acceleration(block, symbols), REASONS[kind]))
    return tuple(steps)


def _traced(block: CoframeBlock, symbols: tuple[Expr, ...]) -> Expr:
    """Tr of Gram⁻¹ times the entries kk of the second derivatives: -σ_k, and σ_l between the turns of a pair."""
    gram, own = gram_matrix(block), symbols[0]
    inverse = gram.adjugate() / gram.det()
    mixed = symbols[-1] if len(block.forms) == 2 else S.Zero
    total = sum((-own * inverse[i, i] for i in range(len(block.forms))), S.Zero)
    return total + (2 * mixed * inverse[0, 1] if mixed != 0 else S.Zero)


def _sum_steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """Δσ_k and what all rotations contribute: terms in σ_k, and those of a pair, written with multipliers."""
    names = tuple(map(generic_singular_value, index_symbols(2)))
    own, between = radial_drift_terms(network.metric)
    weights: dict[Expr, Expr] = {}
    for kind, block in model_blocks(network.metric).items():
        if kind in REASONS:
            symbols = tuple(map(network.coframe.singular_value, block.indices))
            renamed = dict(zip(symbols, names, strict=False))
            name = Symbol({"pair": "lambda_kl", "phase": "lambda_kk"}.get(kind, "lambda_k0"), positive=True)
            weights[name] = explicit(network.metric.block_multiplier(block)).xreplace(renamed)
            pull = block.multiplicity * name * orbit_acceleration(block, symbols).xreplace(renamed)
            own, between = (own, between + pull) if kind == "pair" else (own + pull, between)
    single, pair = correction_terms(network.metric)
    # σ_k on both sides keeps them away from 0 = 0, which no relative error could tell from anything.
    sides = (
        (own, single, "added to the Laplacian of a singular value, and to that value: terms in it"),
        (between, pair, "and terms with another one, which cancel for a network"),
    )
    return tuple(
        Step.abbreviated(names[0] + left, names[0] + right, reason, weights)
        for left, right, reason in sides
        if left != S.Zero
    )


def _residual(derivation: Derivation, route: str) -> float:
    """ΔX in coordinates of the matrices: c_k on the diagonal at X = Σ̂, and nothing elsewhere."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # nothing rational to compare with: the steps are symbolic, the other routes numeric
    worst = 0.0
    correction, _ = derivation.result
    for numeric, values, point in instances(derivation.network, route):
        flat = coordinate_laplacian(point, route)
        moved = flat.laplacian_of_matrix()
        expected = 0 * flat.X
        found = values_at_indices(correction, numeric, values, point, route)
        for position, value in enumerate(found):
            for entry in range(point.beta * position, point.beta * (position + 1)):
                expected[entry, entry] = value
        size = max(abs(value) for value in point.singular_values)
        worst = max(worst, largest_error([*moved.ravel(), size], [*expected.ravel(), size]))
    return worst
