"""Energies of many matrices at once: values, gradients and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Matrix, Symbol, hessian

from geometry import Kernel, compile_kernel

from .energies import Energy, EnergySum, EnergyWithHessian, MatrixCompletion, Ridge, SymbolicEnergy, as_dense

__all__ = ["BatchedEnergy", "batched_energy"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BatchedEnergy:
    """E and its derivatives at many matrices X (chains, m, n).

    Attributes
    ----------
    values, gradients : callable
        E, (chains,), and ∇E, (chains, m, n), of X.
    hessians : callable or None
        ∂²E, (chains, m n, m n) or (m n, m n), of X; None where it is not known.
    """

    values: Callable[[Array], Array]
    gradients: Callable[[Array], Array]
    hessians: Callable[[Array], Array] | None = None


def batched_energy(energy: Energy) -> BatchedEnergy:
    """An energy over a batch: vectorized where that is known to be right, matrix by matrix for all others."""
    # By the type itself: a class derived from one of these may be another energy.
    if type(energy) is MatrixCompletion:
        return _batched_completion(energy)
    if type(energy) is SymbolicEnergy:
        return _batched_expression(energy)
    if type(energy) is Ridge:
        identity = energy.strength * np.eye(int(np.prod(energy.shape)))
        return BatchedEnergy(
            lambda X: np.asarray(energy.strength * np.sum(X**2, axis=(-2, -1)) / 2),
            lambda X: energy.strength * X,
            lambda X: identity,
        )
    if type(energy) is EnergySum:
        return _batched_sum(energy)
    return _one_by_one(energy)


def _one_by_one(energy: Energy) -> BatchedEnergy:
    directions = np.eye(int(np.prod(energy.shape))).reshape(-1, *energy.shape)

    def hessians(X: Array) -> Array:
        assert isinstance(energy, EnergyWithHessian)
        rows = [[as_dense(energy.hessian(matrix, Z)).ravel() for Z in directions] for matrix in X]
        return np.array(rows, dtype=np.float64)

    return BatchedEnergy(
        lambda X: np.array([energy(matrix) for matrix in X], dtype=np.float64),
        lambda X: np.array([as_dense(energy.gradient(matrix)) for matrix in X], dtype=np.float64).reshape(X.shape),
        hessians if isinstance(energy, EnergyWithHessian) else None,
    )


def _batched_completion(energy: MatrixCompletion) -> BatchedEnergy:
    place = (..., energy.rows, energy.columns)
    pattern = energy.hessian_pattern.toarray()
    weights, observed = pattern[energy.rows, energy.columns], np.diag(pattern.ravel())

    def gradients(X: Array) -> Array:
        slope = np.zeros_like(X)
        slope[place] = weights * (X[place] - energy.values)
        return slope

    return BatchedEnergy(
        lambda X: np.asarray(np.sum(weights * (X[place] - energy.values) ** 2, axis=-1) / 2),
        gradients,
        lambda X: observed,
    )


def _batched_expression(energy: SymbolicEnergy) -> BatchedEnergy:
    entries, expression = list(energy.entries), energy.expression
    value = compile_kernel(expression, entries)
    slope = compile_kernel(Matrix([expression]).jacobian(entries), entries)
    second = _compiled_hessian(expression, entries)

    def columns(X: Array) -> Array:
        return np.moveaxis(X.reshape(len(X), -1), -1, 0)

    return BatchedEnergy(
        lambda X: np.broadcast_to(value(*columns(X)), len(X)),
        lambda X: np.broadcast_to(slope(*columns(X)), (len(X), 1, len(entries))).reshape(X.shape),
        None if second is None else lambda X: np.asarray(second(*columns(X))),
    )


def _compiled_hessian(expression: Expr, entries: list[Symbol]) -> Kernel | None:
    """The Hessian, or None for an energy with kinks, whose second derivatives are no functions."""
    try:
        return compile_kernel(hessian(expression, entries), entries)
    except ValueError:
        return None


def _batched_sum(energy: EnergySum) -> BatchedEnergy:
    terms = [(factor, batched_energy(term)) for factor, term in energy.terms]
    second = [(factor, term.hessians) for factor, term in terms if term.hessians is not None]

    def total(parts: list[tuple[float, Array]]) -> Array:
        return np.asarray(sum(factor * part for factor, part in parts))

    return BatchedEnergy(
        lambda X: total([(factor, term.values(X)) for factor, term in terms]),
        lambda X: total([(factor, term.gradients(X)) for factor, term in terms]),
        # A part of the Hessian is better than none: what it leaves out is done by explicit steps.
        (lambda X: total([(factor, part(X)) for factor, part in second])) if second else None,
    )
