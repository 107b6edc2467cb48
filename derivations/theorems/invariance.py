r"""Invariance under the orthogonal groups on both sides, and under transposition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Matrix, MatrixSymbol, S, Symbol, Tuple

from geometry import DeepLinearNetwork
from geometry.layers import symbolic_matrix

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, require_metric
from ..layer_points import tangent_vector
from ..moved_points import rotated, transposed
from ..references import COHEN_MENON_VERASZTO
from ..standard_networks import networks_with_metric_of_all_kinds as networks
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks", "rotation", "weighted_square"]

NAME = "invariance"
REFERENCE = COHEN_MENON_VERASZTO
SUBJECTS = (r"[z_{kl}^2]\, g(Z, Z) = [z_{lk}^2]\, g(Z, Z)", r"[z_{k \perp}^2]\, g(Z, Z) = [z_{\perp k}^2]\, g(Z, Z)")
"""The coefficients of the squares of entries."""


def derive(network: DeepLinearNetwork) -> Derivation:
    """X → P X Qᵀ for orthogonal P and Q, and X → Xᵀ, are isometries of g.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: there is no metric.
    """
    require_metric(network)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    backwards = Step(
        defining_multiplier(network, a, b),
        network.pair_multiplier(b, a),
        "transposing exchanges k and l: the sum of the layers read backwards is the same",
    )
    steps = (_entry_step(), backwards, *_null_steps(network, a))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The metric depends on singular values and on the entries $z_{kl} = u_k^{\mathsf T} Z v_l$ only, "
        r"and alike on $z_{kl}$ and $z_{lk}$: it is invariant under $X \to P X Q^{\mathsf T}$ for orthogonal $P$ and "
        r"$Q$ (unitary over C and H), and under $X \to X^{\mathsf T}$.",
        steps=steps,
        result=Tuple(*inverse_weights(network, a, b)),
        subject=SUBJECTS[: len(inverse_weights(network, a, b))],
        reference=REFERENCE,
        residual=_residual,
    )


def inverse_weights(network: DeepLinearNetwork, a: Expr, b: Expr) -> tuple[Expr, ...]:
    """1/λ(a, b), and 1/λ(a, 0) where there are null directions."""
    against_null = (1 / network.pair_null_multiplier(a),) if network.coframe.has_null_directions else ()
    return (1 / network.pair_multiplier(a, b), *against_null)


def rotation(tangent: Expr) -> Matrix:
    """The orthogonal 2 x 2 matrix (1 - K)⁻¹ (1 + K) for the skew K with the entry `tangent`, rational in it."""
    skew = Matrix([[0, -tangent], [tangent, 0]])
    one = Matrix.eye(2)
    return (one - skew).inv() * (one + skew)


def _entry_step() -> Step:
    """The entries of the moved vector in the moved singular basis."""
    P, Q = (rotation(Symbol(name, real=True)) for name in "pq")
    u, v = (symbolic_matrix(name, 2, 1) for name in "uv")
    Z = symbolic_matrix("z", 2, 2)
    left, Z_symbol, right = (MatrixSymbol(name, 2, 2) for name in "PZQ")
    first, second = (MatrixSymbol(name, 2, 1) for name in ("u_k", "v_l"))
    return Step(
        ((P * u).T * (P * Z * Q.T) * (Q * v))[0, 0],
        (u.T * Z * v)[0, 0],
        "the singular vectors turn with X, so the entries in the singular basis stay",
        shown=(first.T * left.T * (left * Z_symbol * right.T) * right * second, first.T * Z_symbol * second),
    )


def _null_steps(network: DeepLinearNetwork, a: Symbol) -> tuple[Step, ...]:
    """λ(0, a) = λ(a, 0): transposing exchanges left and right null spaces."""
    if not network.coframe.has_null_directions:
        return ()
    value = network.pair_null_multiplier(a)
    return (
        Step(defining_null_multiplier(network, a), value, "against a right null direction"),
        Step(defining_multiplier(network, S.Zero, a), value, "the same against a left one"),
    )


# ---------------------------------------------------------------------------------- against the definition


def weighted_square(weights: Sequence[Expr], values: dict[Symbol, Any], point: Point, Z: Any, route: str) -> Any:
    """Σ z_kl² w(σ_k, σ_l), with the second weight against null directions; weights in sigma_k and sigma_l."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    components, total = point.components(Z), 0
    for position, (k, l, _) in enumerate(point.tangent_basis()):
        sigma = [point.singular_values[index] for index in (k, l) if index < point.rank]
        weight, names = (weights[0], (a, b)) if len(sigma) == 2 else (weights[-1], (a,))
        # Where two singular values are the same one, the value on the diagonal is taken.
        at = weight.subs(b, a) if k == l else weight
        (value,) = values_at([at.subs(values)], dict(zip(names, sigma, strict=False)), route)
        total = total + value * components[position, 0] ** 2
    return total


def _residual(derivation: Derivation, route: str) -> float:
    """<Z, A⁻¹ Z> of the definition at P X Qᵀ and Xᵀ, against the derived sum of squares at X."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        Z = tangent_vector(point)
        expected = weighted_square(derivation.result, values, point, Z, route)
        P, Q = (point.unitary_matrix(side) for side in point.shape)
        turned, scale = P @ Z @ Q.T, numeric.operator_divisor
        found = [
            rotated(point, P, Q).inner_product(turned, turned),
            transposed(point).inner_product(Z.T, Z.T),
        ]
        scale = float(scale) if route == "float" else scale
        worst = max(worst, *(abs(float((value * scale - expected) / expected)) for value in found))
    return worst
