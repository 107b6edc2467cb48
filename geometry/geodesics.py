r"""Geodesics of spectral metrics: Hamilton's equations in the coframe of the singular value decomposition.

The momentum P = A⁻¹ dX/dt of a curve X = U Σ V* has the conserved skew matrices

    J^U = P X* - X P*,    J^V = P* X - X* P

of the two unitary actions.  In the moving frame they are M^U = U* J^U U and M^V = V* J^V V, conjugate to the
rotations Ω^U = U* dU/dt and Ω^V = V* dV/dt, and with p_k conjugate to σ_k the geodesic equations are

    dσ_k/dt = ∂H/∂p_k,    dp_k/dt = -∂H/∂σ_k,    dM/dt = [M, Ω] with Ω = ∂H/∂M,    dU/dt = U Ω^U,    dV/dt = V Ω^V

for U and V alike.  H is half the inverse of the metric's Gram matrix, block by block.  On the null spaces M is zero,
and Ω is chosen to be; over C and H the phases are turned by U.

Where two singular values coalesce, H has the term (M^U_kl + M^V_kl)² λ_kl/(4 (σ_k - σ_l)²): a geodesic for which the
sum is not zero is kept away from there as by a centrifugal force, and the equations are stiff nearby.

Source: V. I. Arnold, Mathematical methods of classical mechanics, appendix 2; the metric from Cohen, Menon, Veraszto,
arXiv 2210.12497, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sympy import Add, Eq, Expr, Integer, Matrix, Rational, Symbol, factor, zeros

from .coframe import CoframeBlock, gram_matrix
from .metric import SpectralMetric
from .network import DeepLinearNetwork
from .spectral_flow import TimeDerivative
from .units import UNITS

__all__ = ["GeodesicSystem", "conserved_momenta", "geodesic_equations", "geodesic_system", "kinetic_energy"]

UNIT_NAMES = ("", "i", "j", "k")


@dataclass(frozen=True)
class GeodesicSystem:
    """The geodesic equations of one metric as a first-order system.

    Matrices over C and H are real ones with a β x β block for each entry, as in `geometry.units`.

    Attributes
    ----------
    singular_values, radial_momenta : tuple of Symbol
        σ_k and p_k.
    left_momentum, right_momentum : Matrix
        M^U (m, m) and M^V (n, n) in the symbols of their components.
    left, right : Matrix
        The complete U (m, m) and V (n, n) in the symbols of their components.
    left_rotation, right_rotation : Matrix
        Ω^U (m, m) and Ω^V (n, n) = ∂H/∂M.
    hamiltonian : Expr
        H, half the squared speed.
    state : tuple of Symbol
        All that changes: σ, p, then the components of M^U and M^V, of U and of V.
    rates : tuple of Expr
        The time derivatives of the state; `compile_kernel(list(rates), state)` is the right-hand side.
    """

    singular_values: tuple[Symbol, ...]
    radial_momenta: tuple[Symbol, ...]
    left_momentum: Matrix
    right_momentum: Matrix
    left: Matrix
    right: Matrix
    left_rotation: Matrix
    right_rotation: Matrix
    hamiltonian: Expr
    state: tuple[Symbol, ...]
    rates: tuple[Expr, ...]

    @property
    def equations(self) -> tuple[Eq, ...]:
        """d(state)/dt = rates, one equation for each symbol of the state."""
        pairs = zip(self.state, self.rates, strict=True)
        return tuple(Eq(TimeDerivative(symbol), rate, evaluate=False) for symbol, rate in pairs)

    @property
    def conserved(self) -> tuple[Matrix, Matrix]:
        """J^U = U M^U U* and J^V = V M^V V*, constant along geodesics as H is."""
        return (
            self.left * self.left_momentum * self.left.T,
            self.right * self.right_momentum * self.right.T,
        )


def geodesic_equations(metric: SpectralMetric | DeepLinearNetwork) -> tuple[Eq, ...]:
    """The geodesic equations as a first-order system; see `geodesic_system`.

    Examples
    --------
    >>> geodesic_equations(SpectralMetric(shape=(1, 1), multiplier=lambda a, b: a + b))[:2]
    (Eq(dsigma_1/dt, 2*p_1*sigma_1), Eq(dp_1/dt, -p_1**2))
    """
    return geodesic_system(metric).equations


def geodesic_system(metric: SpectralMetric | DeepLinearNetwork) -> GeodesicSystem:
    """Hamilton's equations of a metric, derived from its Gram matrices.

    Raises
    ------
    ValueError
        If the shape or the rank is symbolic, or a network has no metric.
    """
    metric = metric.metric if isinstance(metric, DeepLinearNetwork) else metric
    m, n = _explicit_shape(metric)
    beta, blocks = metric.coframe.dyson_index, list(metric.coframe.blocks())
    sigma = tuple(metric.singular_values)
    radial = tuple(Symbol(f"p_{k + 1}", real=True) for k in range(len(sigma)))
    moments = {"U": _moments(blocks, "U", m, beta), "V": _moments(blocks, "V", n, beta)}
    phases = _phases(blocks, beta)
    energy = Add(*(_block_energy(metric, block, radial, moments, phases) for block in blocks))
    units = UNITS[metric.field]
    momentum, rotation, frame, turning = {}, {}, {}, {}
    for side, size, sign in (("U", m, 1), ("V", n, -1)):
        whole = {place: sign * 2 * symbol for place, symbol in phases.items()}
        momentum[side] = _skew(moments[side] | whole, size, units)
        # The phase is (Ω^U - Ω^V)_kk: all of it is put into U.
        phase_rates = {place: energy.diff(symbol) for place, symbol in phases.items()} if side == "U" else {}
        rates = {place: energy.diff(symbol) for place, symbol in moments[side].items()}
        rotation[side] = _skew(rates | phase_rates, size, units)
        frame[side] = _frame(side, size, beta)
        turning[side] = momentum[side] * rotation[side] - rotation[side] * momentum[side]
    pairs = [(sigma[k], energy.diff(radial[k])) for k in range(len(sigma))]
    pairs += [(radial[k], -energy.diff(sigma[k])) for k in range(len(sigma))]
    for (k, _, u), symbol in phases.items():
        pairs.append((symbol, turning["U"][beta * k + u, beta * k] / 2))
    for side in "UV":
        for (k, l, u), symbol in moments[side].items():
            pairs.append((symbol, turning[side][beta * k + u, beta * l]))
    matrices = {side: _blocks(frame[side], size, units) for side, size in (("U", m), ("V", n))}
    for side in "UV":
        velocity = matrices[side] * rotation[side]
        for (k, l, u), symbol in frame[side].items():
            pairs.append((symbol, velocity[beta * k + u, beta * l]))
    state, state_rates = zip(*pairs, strict=True)
    return GeodesicSystem(
        sigma,
        radial,
        momentum["U"],
        momentum["V"],
        matrices["U"],
        matrices["V"],
        rotation["U"],
        rotation["V"],
        energy,
        state,
        state_rates,
    )


def conserved_momenta(X: Any, P: Any) -> tuple[Any, Any]:
    """J^U = P Xᵀ - X Pᵀ and J^V = Pᵀ X - Xᵀ P, for matrices of SymPy, mpmath or NumPy (block matrices over C and H).

    Raises
    ------
    ValueError
        If X and P differ in shape.
    """
    shapes = [getattr(matrix, "shape", None) or (matrix.rows, matrix.cols) for matrix in (X, P)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"P must have the shape {shapes[0]} of X, not {shapes[1]}")
    return P @ X.T - X @ P.T, P.T @ X - X.T @ P


def kinetic_energy(block: CoframeBlock, momenta: tuple[Expr, ...], multiplier: Expr) -> Expr:
    """½ μᵀ G⁻¹ μ for the momenta conjugate to a block's forms, G = Gram matrix / λ.

    The Gram matrix of a pair is diagonal in the sum and the difference of the two rotations.
    """
    gram = gram_matrix(block)
    if len(momenta) == 1:
        return multiplier * momenta[0] ** 2 / (2 * gram[0, 0])
    basis = Matrix([[1, 1], [1, -1]])
    rotated = (basis.T * gram * basis).applyfunc(factor)
    if rotated[0, 1] != 0:
        raise ArithmeticError(f"the Gram matrix of {block.forms} is not diagonal in their sum and difference")
    components = basis.T * Matrix(momenta)
    return Add(*(multiplier * components[i] ** 2 / (2 * rotated[i, i]) for i in range(2)))


Place = tuple[int, int, int]
"""Row and column of an entry, and the unit of the field."""


def _explicit_shape(metric: SpectralMetric) -> tuple[int, int]:
    m, n = metric.shape
    if not (isinstance(m, int) and isinstance(n, int)):
        raise ValueError(f"shape must be explicit for geodesic equations, not {metric.shape}; put numbers in")
    if not metric.coframe.has_explicit_rank:
        raise ValueError(f"rank must be explicit for geodesic equations, not {metric.rank}; put a number in")
    return m, n


def _name(letter: str, k: int, l: int, u: int, size: int) -> str:
    return f"{letter}{UNIT_NAMES[u]}_{k + 1}{',' if size > 9 else ''}{l + 1}"


def _moments(blocks: list[CoframeBlock], side: str, size: int, beta: int) -> dict[Place, Symbol]:
    """The components of M conjugate to the rotations of pairs, and of the space against its complement."""
    kind, pairs = {"U": "left", "V": "right"}[side], [block.indices for block in blocks if block.kind == "pair"]
    places = [(int(k), int(l)) for k, l in pairs]
    rank = sum(block.kind == "radial" for block in blocks)
    for block in blocks:
        if block.kind == kind:
            places += [(a, int(block.indices[0])) for a in range(rank, size)]
    return {(k, l, u): Symbol(_name(f"M^{side}", k, l, u, size), real=True) for k, l in places for u in range(beta)}


def _phases(blocks: list[CoframeBlock], beta: int) -> dict[Place, Symbol]:
    """The momenta conjugate to the phases: half of M^U_kk, which is -M^V_kk."""
    indices = [int(block.indices[0]) for block in blocks if block.kind == "phase"]
    return {(k, k, u): Symbol(f"mu{UNIT_NAMES[u]}_{k + 1}", real=True) for k in indices for u in range(1, beta)}


def _block_energy(
    metric: SpectralMetric,
    block: CoframeBlock,
    radial: tuple[Symbol, ...],
    moments: dict[str, dict[Place, Symbol]],
    phases: dict[Place, Symbol],
) -> Expr:
    """The kinetic energy of a block, summed over its repetitions."""
    weight = metric.block_multiplier(block)
    return Add(*(kinetic_energy(block, momenta, weight) for momenta in _repetitions(block, radial, moments, phases)))


def _repetitions(
    block: CoframeBlock,
    radial: tuple[Symbol, ...],
    moments: dict[str, dict[Place, Symbol]],
    phases: dict[Place, Symbol],
) -> Iterator[tuple[Symbol, ...]]:
    k = int(block.indices[0])
    if block.kind == "radial":
        yield (radial[k],)
    elif block.kind == "phase":
        yield from ((symbol,) for place, symbol in phases.items() if place[0] == k)
    elif block.kind == "pair":
        chosen = [place for place in moments["U"] if place[:2] == block.indices]
        yield from ((moments["U"][place], moments["V"][place]) for place in chosen)
    else:
        side, rank = {"left": "U", "right": "V"}[block.kind], len(radial)
        yield from ((symbol,) for place, symbol in moments[side].items() if place[0] >= rank and place[1] == k)


def _frame(side: str, size: int, beta: int) -> dict[Place, Symbol]:
    places = [(i, k, u) for i in range(size) for k in range(size) for u in range(beta)]
    return {(i, k, u): Symbol(_name(side, i, k, u, size), real=True) for i, k, u in places}


def _blocks(components: dict[Place, Expr], size: int, units: Any) -> Matrix:
    beta = len(units)
    whole = zeros(beta * size)
    for (k, l, u), component in components.items():
        rows, columns = slice(beta * k, beta * (k + 1)), slice(beta * l, beta * (l + 1))
        whole[rows, columns] = whole[rows, columns] + component * units[u]
    return whole


def _skew(components: dict[Place, Expr], size: int, units: Any) -> Matrix:
    """The skew-Hermitian matrix with given components; those on the diagonal are imaginary."""
    half = {
        place: component * (Rational(1, 2) if place[0] == place[1] else Integer(1))
        for place, component in components.items()
    }
    whole = _blocks(half, size, units)
    return whole - whole.T
