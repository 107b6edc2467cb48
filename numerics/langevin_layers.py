r"""Langevin steps upstairs: noise on the layers W_1, …, W_N, of hidden width r, along the manifold of balanced ones.

In singular coordinates balanced layers are W_p = τ = diag(σ_k^{1/N}) (`geometry.layers.balanced_layers`).  A step

    1. projects independent normal numbers in all entries of all layers on the tangent space: its horizontal part is
       (dφ* Z)_p with dφ dφ* Z = dφ G, entrywise; its vertical part moves along the fibre, by skew generators;
    2. adds the drift -dφ* ∇E, which is horizontal;
    3. multiplies the moved layers, X' = U (τ + V_N) ⋯ (τ + V_1) Vᵀ, and balances the product anew.

Null rows and columns of X are further ones of W_N and W_1, zero where these are balanced.  Moves in them are horizontal
and normal to the fibres, and dφ takes a unit of them to √λ(σ_k, 0): they are added to the outer layers as they are.

The tangent space holds all horizontal vectors, so its normals are in the kernel of dφ: where the moved layers are taken
back to the balanced ones along normals, their product changes to third order only.  So X' has the right mean to first
order, and the force T grad S of the fibres is not put in: it comes from the vertical noise.  Which balanced layers
over X' one goes on from does not matter to the law of X, as the fibres are orbits of isometries.

At det X = 0, for square X, sheets of balanced layers meet, one for each choice of the signs of their smallest values.
Through it the next sheet is one over the other sign of det X, as likely as not; see `langevin_steps`.

Source: Menon, Yu, arXiv 2509.09088; Absil, Malick, SIAM J. Optim. 22 (2012), for retractions of second order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Matrix, Symbol, symbols, zeros

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.balancing import fibre_velocity
from geometry.layers import adjoint, symbolic_matrix

from .langevin_energies import BatchedEnergy
from .langevin_frames import Frames, combined, diagonal, svd, transposed
from .langevin_kernels import PairCoefficients
from .langevin_steps import FlatStep

__all__ = ["LayerKernels", "LayersStep", "layer_kernels", "resolved_depth"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerKernels:
    """Linear maps between entries kl and lk of X and of balanced layers τ, as functions of τ_k and τ_l.

    Attributes
    ----------
    lift : Kernel
        What (dφ* Z)_p has in the entry kl for Z_kl = 1, (N, 1).
    vertical : Kernel or None
        The entries kl and lk of the velocities of W_1, …, W_N for each skew generator of the hidden spaces,
        (2N, N - 1); None for one layer, which has no fibre.
    """

    lift: Kernel
    vertical: Kernel | None


@lru_cache(maxsize=16)
def layer_kernels(count: int) -> LayerKernels:
    """Compile the maps for a number of layers."""
    tau = symbols("tau_k tau_l", positive=True)
    layers = [Matrix([[tau[0], 0], [0, tau[1]]])] * count
    Z = symbolic_matrix("Z", 2, 2)
    lift = Matrix([velocity[0, 1].diff(Z[0, 1]) for velocity in adjoint(layers, Z)])
    if count < 2:
        return LayerKernels(compile_kernel(lift, tau), None)
    turns = [Symbol(f"x_{p}", real=True) for p in range(1, count)]
    velocities = fibre_velocity(layers, [_turn(x) for x in turns])
    entries = Matrix([velocity[place] for velocity in velocities for place in ((0, 1), (1, 0))])
    return LayerKernels(compile_kernel(lift, tau), compile_kernel(entries.jacobian(turns), tau))


def _turn(x: Symbol) -> Matrix:
    turn = zeros(2)
    turn[0, 1], turn[1, 0] = x, -x
    return turn


def resolved_depth(rank: int, noise: float) -> float:
    """How many layers at most keep the rounding of singular values of a product, to the power 1/N, below a noise.

    For 2 x 2 determinants are multiplied instead, and there is no bound.
    """
    return np.inf if rank <= 2 else float(np.log(np.finfo(float).eps) / np.log(min(noise, 0.5)))


class LayersStep(FlatStep):
    """Steps of the layers at finite depth; `entropy` says whether the noise has its vertical part."""

    def __init__(self, network: DeepLinearNetwork, energy: BatchedEnergy, temperature: float, entropy: bool) -> None:
        super().__init__(network, energy, temperature, entropy)
        self.count = network.layer_count()
        self.core_shape = (self.count, self.rank, self.rank)
        self.noise_shape = (int(np.prod(self.core_shape)) + len(self.basis.null_places),)
        self.layers = layer_kernels(self.count)
        self.unit = 1 / np.sqrt(float(network.operator_divisor))

    def __call__(self, frames: Frames, h: float, noise: Array, uniform: Array) -> Frames:
        """The frames a time h later."""
        size = int(np.prod(self.core_shape))
        core, null = noise[:, :size].reshape(-1, *self.core_shape), noise[:, size:]
        tau = frames.y / self.kernels.top
        lift = np.moveaxis(self.layers.lift(tau[:, :, None], tau[:, None, :])[..., 0], -1, 1)
        lift /= np.sqrt(np.sum(lift**2, axis=1, keepdims=True))
        step = self.horizontal(frames, h, self.basis.joined(np.sum(lift * core, axis=1), null))
        horizontal, rows, columns = self.basis.blocks(step)
        moves = lift * horizontal[:, None]
        if self.entropy and self.layers.vertical is not None:
            moves += np.sqrt(2 * self.temperature * h) * self.vertical(tau, core)
        return self.balanced(frames, diagonal(tau)[:, None] + self.unit * moves, self.unit * rows, self.unit * columns)

    def horizontal(self, frames: Frames, h: float, noise: Array) -> Array:
        """Drift and noise as components along orthonormal horizontal vectors, (chains, q)."""
        slope, relaxation = self.slope_and_relaxation(frames)
        mean = -h * relaxation.drift(h, slope)
        step = mean + np.sqrt(2 * self.temperature * h) * relaxation.noise(h, noise)
        missing = self.temperature * h * (1 - relaxation.variances(h)) - mean**2 / 2
        step[:, : self.rank] += self.shift(self.kernels.pair_coefficients(frames.y), missing)
        step[:, : self.rank] += self.null_shift(frames, missing)
        return step

    def shift(self, pairs: PairCoefficients, missing: Array) -> Array:
        """As downstairs, but along layers y_k has the second derivative ∂_k log [(σ_k ∓ σ_l)/√λ_kl].

        What remains is the force of the free energy (T/2) log λ_kl of the fast direction, whichever it is.
        """
        symmetric, skew = self.rank + len(pairs.k), self.rank + 2 * len(pairs.k)
        part = missing[:, self.rank : symmetric] + missing[:, symmetric:skew]
        larger, smaller = pairs.pair_entropy_slopes()
        return -pairs.gathered(part * larger, part * smaller, self.rank)

    def vertical(self, tau: Array, noise: Array) -> Array:
        """The part of noise on the layers along the fibres, (chains, N, r, r)."""
        assert self.layers.vertical is not None
        k, l = self.basis.pairs
        quotient = tau[:, l] / np.maximum(tau[:, k], np.finfo(float).tiny)
        velocities = self.layers.vertical(np.ones_like(quotient), quotient)
        entries = np.stack([noise[:, :, k, l], noise[:, :, l, k]], axis=2)
        given = np.moveaxis(entries.reshape(len(noise), 2 * self.count, -1), 1, 2)[..., None]
        transposed_velocities = np.swapaxes(velocities, -1, -2)
        generators = np.linalg.solve(transposed_velocities @ velocities, transposed_velocities @ given)
        found = np.moveaxis((velocities @ generators)[..., 0], 2, 1).reshape(len(noise), self.count, 2, -1)
        moves = np.zeros_like(noise)
        moves[:, :, k, l], moves[:, :, l, k] = found[:, :, 0], found[:, :, 1]
        return moves

    def balanced(self, frames: Frames, layers: Array, rows: Array, columns: Array) -> Frames:
        """The frames of the product of layers (chains, N, r, r), the last with further rows, the first with columns.

        Without them the sign of its determinant is that of the moved y.
        """
        U, V = frames.U, frames.V
        signs = np.ones_like(frames.y)
        if self.basis.has_null_directions:
            U, layers[:, -1] = absorbed(U, layers[:, -1], rows)
            V, first = absorbed(V, transposed(layers[:, 0]), transposed(columns))
            layers[:, 0] = transposed(first)
        else:
            radial = np.diagonal(layers, axis1=-2, axis2=-1).mean(axis=1)
            signs = np.where(radial < 0, -1.0, 1.0) ** (self.count - 1)
        product = layers[:, 0]
        for p in range(1, self.count):
            product = layers[:, p] @ product
        determinants = None
        if self.rank <= 2:
            determinants = np.linalg.det(layers).prod(axis=1) * signs.prod(axis=1)
        P, sigma, Q = svd(product * signs[:, None, :], determinants)
        return Frames(combined(U, P), np.asarray(self.kernels.coordinate(sigma)), combined(V, Q))


def absorbed(frames: Array, layer: Array, rows: Array) -> tuple[Array, Array]:
    """Frames and an r x r layer with the product of those and of a layer that has further rows, for null directions."""
    if rows.shape[-2] == 0:
        return frames, layer
    turn, upper = np.linalg.qr(np.concatenate([layer, rows], axis=-2), mode="complete")
    return frames @ turn, upper[..., : layer.shape[-1], :]
