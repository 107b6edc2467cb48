r"""The structure equations of the orbit: brackets of the completed frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Integer, Symbol, oo

from geometry import DeepLinearNetwork
from geometry.curvature import orbit_scalar, ratio_symbol
from geometry.structure import Generator, bracket, bracket_triples, generators

from ..definition import UNITS
from ..derivation import Derivation
from ..references import BESSE
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "structure-equations"
REFERENCE = BESSE.at("chapter 7")


def networks() -> tuple[DeepLinearNetwork, ...]:
    """One for each field."""
    N = Symbol("N", positive=True)
    return (DeepLinearNetwork(N, (3, 3)), DeepLinearNetwork(3, (3, 2), 2, "C"), DeepLinearNetwork(oo, (2, 2), 2, "H"))


def derive(network: DeepLinearNetwork) -> Derivation:
    """dω^i = -½ c^i_jk ω^j∧ω^k from commutators; the curvature of the orbit in its norms."""
    coframe = network.coframe
    beta, total = Integer(coframe.dyson_index), Integer(0)
    counted: dict[int, Any] = {}
    for triple in bracket_triples(network.field):
        total += triple.multiplicity(coframe) * orbit_scalar(triple) if triple.size <= 3 else 0
        if not triple.null_side:
            counted[triple.size] = counted.get(triple.size, 0) + triple.constant * triple.count
    # Twice the sums over U and V: c² = 1 for three rotations, 2 with a phase, 8 for three phases, in each of them;
    # half of the elements E^U ± E^V in the isotropy leave only the brackets outside it.
    reasons = {3: "three rotations: 4 sign patterns of β² triples with c² = 1/2", 2: "two rotations and a phase"}
    closed = {3: 2 * beta**2, 2: 4 * beta * (beta - 1)}
    steps = [Step(counted[size], closed[size], reasons[size]) for size in (2, 3) if size in counted]
    steps += _orbit_steps(network)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The frame satisfies $d\Omega = -\Omega\wedge\Omega$ on both sides; with norms $x$ of the frame the "
        r"orbit has the scalar curvature below, for one choice of each set of indices.",
        steps=tuple(steps),
        result=total,
        subject=(r"\operatorname{scal}_{\mathrm{orbit}}",),
        reference=REFERENCE,
        residual=_residual,
    )


def _orbit_steps(network: DeepLinearNetwork) -> list[Step]:
    """What one bracket brings to the curvature of the orbit, for three elements outside the isotropy and for two."""
    steps, seen = [], set()
    for triple in bracket_triples(network.field):
        if triple.isotropic not in seen:
            seen.add(triple.isotropic)
            x, y, *others = (ratio_symbol(element) for element in triple.elements)
            closed = triple.constant * (1 / x + 1 / y)
            reason = "a bracket into the isotropy"
            if others:
                (z,) = others
                closed = triple.constant * (2 * (x * y + y * z + z * x) - x**2 - y**2 - z**2) / (2 * x * y * z)
                reason = "the Ricci curvatures along three elements, added"
            steps.append(Step(orbit_scalar(triple), closed, reason))
    return steps


def _matrices(generator: Generator, field: str, rank: int, nulls: int) -> tuple[Any, Any]:
    """The two matrices of an element as real block matrices of integers over 2."""
    beta, size = len(UNITS[field]), rank + nulls
    pair = {side: np.zeros((size * beta, size * beta)) for side in "UV"}
    for (side, i, j, unit), value in generator.entries().items():
        row, column = (index if index >= 0 else rank - 1 - index for index in (i, j))
        block = np.array(UNITS[field][unit], dtype=float) * float(value)
        pair[side][row * beta : (row + 1) * beta, column * beta : (column + 1) * beta] += block
    return pair["U"], pair["V"]


def _residual(derivation: Derivation, route: str) -> float:
    """All brackets against commutators of block matrices, whose entries are exact in double precision."""
    field, rank, nulls, worst = derivation.network.field, 2, 1, 0.0
    basis = list(generators(field, rank, nulls, nulls))
    matrices = {generator: _matrices(generator, field, rank, nulls) for generator in basis}
    for number, x in enumerate(basis):
        for y in basis[:number]:
            found = bracket(x, y, field)
            for side in (0, 1):
                a, b = matrices[x][side], matrices[y][side]
                expected = sum((float(c) * matrices[z][side] for z, c in found.items()), 0 * a)
                worst = max(worst, float(abs(a @ b - b @ a - expected).max()))
    return worst
