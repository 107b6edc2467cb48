r"""The Gram matrix of the fibre of balanced layers: tridiagonal blocks, and their determinants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sympy import Add, Expr, Integer, Matrix, S, Symbol, Tuple, diag

from geometry import DeepLinearNetwork
from geometry.fibre import (
    continuant,
    fibre_velocities,
    pair_determinant,
    pair_gram_matrix,
    phase_determinant,
    phase_gram_matrix,
)

from ..check_points import instances, value_at
from ..definition import ExactPoint, Point
from ..derivation import Derivation, NotApplicableError
from ..references import MENON_YU_ENTROPY
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "FibreOrbit", "FibreVector", "derive", "networks", "require_layers"]

NAME = "fibre-gram-matrix"
REFERENCE = MENON_YU_ENTROPY


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those with layers: of finite or symbolic depth."""
    every = (*standard_networks(), symbolic_network(), *networks_over_fields())
    return tuple(network for network in every if not network.is_infinitely_deep)


def require_layers(network: DeepLinearNetwork) -> None:
    """Refuse infinite depth.

    Raises
    ------
    NotApplicableError
        At infinite depth, where there are no layers.
    """
    if network.is_infinitely_deep:
        raise NotApplicableError("the fibre consists of layers, which depth oo has none of; see entropy-limit")


def derive(network: DeepLinearNetwork) -> Derivation:
    """The blocks of the fibre's Gram matrix have the determinants 2^{N-1} λ_kl, 2^{N-1} λ_k0 and λ_kk.

    Raises
    ------
    NotApplicableError
        At infinite depth.
    """
    require_layers(network)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    N: Expr = network.depth
    doubled = 2 ** (N - 1)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"In the layers' Frobenius metric the Gram matrix of the fibre has a tridiagonal block of size $N-1$ "
        r"for each component of the rotations of a pair, of the phases, and of the complement of the hidden spaces.",
        steps=(*_entries(), *_recurrence(N), *_sums(network, a, b)),
        result=Tuple(
            doubled * pair_determinant(a, b, N), doubled * pair_determinant(a, S.Zero, N), phase_determinant(a, N)
        ),
        subject=(r"\det G_{kl}", r"\det G_{k0}", r"\det G_{kk}"),
        reference=REFERENCE,
        residual=_residual,
    )


def _layer_values() -> tuple[Symbol, Symbol]:
    first, second = (Symbol(f"s_{index}", positive=True) for index in "kl")
    return first, second


def _entries() -> Iterator[Step]:
    """The quadratic forms of three layers, from their velocities K_p Λ - Λ K_{p-1}, K_0 = K_3 = 0."""
    a, b = _layer_values()
    forms = Matrix([Symbol(f"omega_{p}", real=True) for p in (1, 2)])
    turns = [Matrix([[0, form], [-form, 0]]) for form in forms]
    for rotations, core, gram, reason in (
        (turns, diag(a, b), pair_gram_matrix(a, b, 3), "a pair turns in three layers, whose singular values are s"),
        (turns, diag(a, 0), pair_gram_matrix(a, S.Zero, 3), "turning against the complement"),
        ([Matrix([[form]]) for form in forms], Matrix([[a]]), phase_gram_matrix(a, 3), "a phase turns"),
    ):
        moved = Add(*(entry**2 for velocity in fibre_velocities(rotations, core) for entry in velocity))
        yield Step(moved, (forms.T * gram * forms)[0].expand(), reason)


def _recurrence(depth: Expr) -> Iterator[Step]:
    """The closed form solves D_n = d D_{n-1} - e² D_{n-2} with its starting values, n = N-1."""
    a, b = _layer_values()
    gram, size = pair_gram_matrix(a, b, 3), depth - 1
    d, e = gram[0, 0], gram[0, 1]
    previous, before = continuant(d, e, size - 1), continuant(d, e, size - 2)
    yield Step(d * previous - e**2 * before, continuant(d, e, size), "expansion along the last row")
    yield Step(d, continuant(d, e, Integer(1)), "one row")
    yield Step(d**2 - e**2, continuant(d, e, Integer(2)), "two rows")


def _sums(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> Iterator[Step]:
    """The determinants as the sums over the layers in the definition of A_N."""
    N, whole = network.depth, network.operator_divisor
    doubled = 2 ** (N - 1)
    pair, complement = doubled * pair_determinant(a, b, N), doubled * pair_determinant(a, S.Zero, N)
    yield Step(
        doubled * whole * defining_multiplier(network, a, b), pair, "at the singular values of X: the multiplier"
    )
    null = doubled * whole * defining_null_multiplier(network, a)
    yield Step(null, complement, "against the complement of the hidden spaces: a zero singular value")
    own = whole * defining_multiplier(network, a, a)
    yield Step(own, phase_determinant(a, N), "a phase, which has no factor 2")


@dataclass(frozen=True)
class FibreVector:
    """A tangent vector of the fibre: the velocities of the two layers beside a hidden space, p and p + 1.

    Attributes
    ----------
    kind : {"pair", "phase", "complement"}
    indices : tuple of int
        Of the singular values.
    component : int
        The unit of the field.
    position : int
        p, from 1: the hidden space that turns.
    velocities : dict
        Layer to velocity.
    """

    kind: str
    indices: tuple[int, ...]
    component: int
    position: int
    velocities: dict[int, Any]


class FibreOrbit:
    """The orbit of hidden rotations through balanced layers over a point, straight from the definition.

    Parameters
    ----------
    point : Point
        Of an integer depth.
    wider : int
        By how much the hidden width is above the rank.
    """

    def __init__(self, point: Point, wider: int = 0) -> None:
        self.point, self.depth, self.width = point, int(point.depth), point.rank + wider
        hidden = [point.unitary_matrix(self.width) for _ in range(self.depth - 1)]
        self.frames = [point.V, *hidden, point.U]
        roots = point.roots if isinstance(point, ExactPoint) else [_root(s, self.depth) for s in point.singular_values]
        self.layer_values = list(roots)

    def layers(self) -> dict[int, Any]:
        """W_p = Q_p Λ Q_{p-1}ᵀ, p = 1 … N."""
        (m, n), beta = self.point.shape, self.point.beta
        widths = [n, *[self.width] * (self.depth - 1), m]
        found = {}
        for p in range(1, self.depth + 1):
            core = self.point.matrix(beta * widths[p], beta * widths[p - 1])
            for k, value in enumerate(self.layer_values):
                for i in range(beta * k, beta * (k + 1)):
                    core[i, i] = value
            found[p] = self.frames[p] @ core @ self.frames[p - 1].T
        return found

    def vectors(self) -> Iterator[FibreVector]:
        """K W_p and -W_{p+1} K for every generator K of the rotations of a hidden space that moves the layers."""
        layers = self.layers()
        for kind, indices, component, generator in self._generators():
            for p in range(1, self.depth):
                rotation = self.frames[p] @ generator @ self.frames[p].T
                velocities = {p: rotation @ layers[p], p + 1: -(layers[p + 1] @ rotation)}
                yield FibreVector(kind, indices, component, p, velocities)

    def _generators(self) -> Iterator[tuple[str, tuple[int, ...], int, Any]]:
        point, r, size = self.point, self.point.rank, self.point.beta * self.width
        for k in range(r):
            for number in range(1, point.beta):
                generator = point.matrix(size, size)
                point.add_block(generator, k, k, number, 1)
                yield "phase", (k,), number, generator
            for l in range(k + 1, self.width):
                for number in range(point.beta):
                    generator = point.matrix(size, size)
                    point.add_block(generator, k, l, number, 1)
                    point.add_block(generator, l, k, number, -1, sign=-1)
                    yield ("pair", (k, l), number, generator) if l < r else ("complement", (k, l), number, generator)

    def gram(self, vectors: list[FibreVector]) -> Any:
        """The Gram matrix of tangent vectors in the Frobenius metric of the layers."""
        gram = self.point.matrix(len(vectors), len(vectors))
        for p in range(1, self.depth + 1):
            # Only vectors that move a layer in common have a product.
            movers = [(i, vector.velocities[p]) for i, vector in enumerate(vectors) if p in vector.velocities]
            for i, first in movers:
                for j, second in movers:
                    if j <= i:
                        gram[i, j] += _inner(first, second) / self.point.beta
                        gram[j, i] = gram[i, j]
        return gram

    def determinant(self, vectors: list[FibreVector]) -> Any:
        """The determinant of the Gram matrix; 1 for none."""
        return self.point.determinant(self.gram(vectors)) if vectors else 1


def _inner(Y: Any, Z: Any) -> Any:
    rows, columns = Y.shape if hasattr(Y, "shape") else (Y.rows, Y.cols)
    return sum(Y[i, j] * Z[i, j] for i in range(rows) for j in range(columns))


def _root(sigma: Any, depth: int) -> Any:
    return sigma ** (sigma / sigma / depth)


def _residual(derivation: Derivation, route: str) -> float:
    """The determinants of the blocks of tangent vectors of the orbit, one component each, and of all of them."""
    pair, complement, phase = derivation.result
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    formulas = {"pair": pair, "complement": complement, "phase": phase}
    worst = 0.0
    for _, values, point in instances(derivation.network, route):
        orbit = FibreOrbit(point, wider=1)
        blocks: dict[tuple[Any, ...], list[FibreVector]] = {}
        for vector in orbit.vectors():
            blocks.setdefault((vector.kind, vector.indices, vector.component), []).append(vector)
        for (kind, indices, _), block in blocks.items():
            numbers = dict(zip((a, b), (point.singular_values[k] for k in indices if k < point.rank), strict=False))
            found = value_at(formulas[kind].subs(values), numbers, route)
            expected = orbit.determinant(block)
            worst = max(worst, abs(float((found - expected) / expected)))
    return worst
