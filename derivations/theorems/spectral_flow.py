r"""The spectral flow: dX/dt = -A_N(∇E(X)) in singular values and singular vectors."""

from __future__ import annotations

from typing import Any

from sympy import Eq, Matrix, Symbol, Tuple

from geometry import DeepLinearNetwork
from geometry.spectral_flow import TimeDerivative, pair_rotation

from ..check_points import instances, values_at
from ..definition import FloatPoint, Point
from ..derivation import Derivation
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive"]

NAME = "spectral-flow"
REFERENCE = COHEN_MENON_VERASZTO.at("section 4")


def derive(network: DeepLinearNetwork) -> Derivation:
    """dσ_k/dt and the rotations, solved from the entries of Uᵀ (dX/dt) V.

    Raises
    ------
    ValueError
        If the field is not R.
    """
    if network.field != "R":
        raise ValueError(f"the spectral flow is derived over the real field, not over {network.field!r}")
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    above, below, diagonal = (Symbol(f"G_{index}", real=True) for index in ("kl", "lk", "kk"))
    weight = network.pair_multiplier(a, b)
    left, right = pair_rotation(a, b, (above, below), weight)
    radial = -network.pair_multiplier(a, a) * diagonal
    multiplier, own = (Symbol(f"lambda_{index}", positive=True) for index in ("kl", "kk"))
    turn_left, turn_right = (Symbol(f"Omega^{side}_kl", real=True) for side in "UV")
    solved_left = multiplier * (b * above + a * below) / (a**2 - b**2)
    solved_right = multiplier * (a * above + b * below) / (a**2 - b**2)
    where = {multiplier: defining_multiplier(network, a, b)}
    radial_where = {own: defining_multiplier(network, a, a)}
    turns = {turn_left: left, turn_right: right}
    steps = tuple(
        Step.abbreviated(*step)
        for step in (
            (-own * diagonal, radial, "entry kk of the velocity in the singular basis", radial_where),
            (-multiplier * above, b * turn_left - a * turn_right, "entry kl", where | turns),
            (-multiplier * below, b * turn_right - a * turn_left, "entry lk", where | turns),
            (solved_left, left, "solved for the left rotation, with the multiplier", where),
            (solved_right, right, "solved for the right rotation, with the multiplier", where),
        )
    )
    rates = (radial, left, right)
    names = (TimeDerivative(a), turn_left, turn_right)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"With $G = U^{\mathsf T} \nabla E(X) V$ the gradient flow moves singular values, and turns singular "
        r"vectors with the velocities $\Omega^U = U^{\mathsf T} dU/dt$ and $\Omega^V = V^{\mathsf T} dV/dt$.",
        steps=steps,
        result=Tuple(*(Eq(name, rate, evaluate=False) for name, rate in zip(names, rates, strict=True))),
        subject=("", "", ""),
        reference=REFERENCE,
        residual=_residual,
    )


def _residual(derivation: Derivation, route: str) -> float:
    """X' put together from the equations of a linear energy <C, X>, against -A_N(C)."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    return max(
        _velocity_error(_with_shape(derivation.network, numeric), values, point, route)
        for numeric, values, point in instances(derivation.network, route)
    )


def _with_shape(network: DeepLinearNetwork, numeric: DeepLinearNetwork) -> DeepLinearNetwork:
    """The network with its own depth, symbolic or not, and an explicit shape."""
    return DeepLinearNetwork(network.depth, numeric.shape, numeric.rank, network.field, network.rescaled)


def _velocity_error(network: DeepLinearNetwork, values: dict[Symbol, Any], point: Point, route: str) -> float:
    (m, n), r = point.shape, point.rank
    slope = point.random_matrix()
    symbols = Matrix(m, n, lambda i, j: Symbol(f"C_{i}_{j}", real=True))
    flow = network.gradient_flow(lambda X: sum(symbols[i, j] * X[i, j] for i in range(m) for j in range(n)))
    numbers: dict[Symbol, Any] = dict(zip(network.singular_values, point.singular_values, strict=True))
    numbers.update({symbols[i, j]: slope[i, j] for i in range(m) for j in range(n)})
    for equation in flow[r:]:
        name = equation.lhs.args[0]
        # U_12, and U_11,2 where an index has two digits.
        letter, _, indices = name.name.partition("_")
        i, k = (int(index) - 1 for index in (indices.split(",") if "," in indices else indices))
        numbers[name] = (point.U if letter == "U" else point.V)[i, k]
    rates = values_at([equation.rhs.subs(values) for equation in flow], numbers, route)
    left, right, core, core_rate = point.matrix(m, r), point.matrix(n, r), point.matrix(r, r), point.matrix(r, r)
    for k in range(r):
        core[k, k], core_rate[k, k] = point.singular_values[k], rates[k]
    for position in range(m * r):
        left[position // r, position % r] = rates[r + position]
    for position in range(n * r):
        right[position // r, position % r] = rates[r + m * r + position]
    U, V = point.U[:, 0:r], point.V[:, 0:r]
    velocity = left @ core @ V.T + U @ core_rate @ V.T + U @ core @ right.T
    scale = network.operator_divisor.subs(values)
    # Components on the tangent space: at depth 1 the network's flow is the projected one.
    expected = point.components(point.apply(slope))
    found = point.components(velocity)
    size = len(point.tangent_indices())
    divisor = float(scale) if isinstance(point, FloatPoint) else scale
    return float(max(abs(found[i, 0] + expected[i, 0] / divisor) for i in range(size)))
