r"""What a step of the Langevin equation needs of a network, emitted by `geometry`.

In the flat coordinates y = y(σ) of `geometry.radial_diffusion` the matrix Y = U diag(y) Vᵀ has increments with regular
coefficients, also where X is singular and where singular values coalesce.  An orthonormal frame of the metric at X
consists of √λ_kl u_k v_lᵀ; its symmetric and its skew combination of a pair k, l move Y by

    s_kl = √λ_kl (y_k - y_l)/(σ_k - σ_l)     and     a_kl = √λ_kl (y_k + y_l)/(σ_k + σ_l).

Singular values of diag(y) + Z are y_k + Z_kk + ½ Σ_l [p²/(y_k - y_l) + q²/(y_k + y_l)] + …, for entries (p ± q)/√2 of
Z.  That y diffuses as the radial part of the metric does, with Δy_k, leaves for the Itô drift of Y

    ΔY = U diag(d) Vᵀ,     d_k = Δy_k - Σ_{l≠k} [s_kl²/(y_k - y_l) + a_kl²/(y_k + y_l)],

where the poles cancel.  Or only the symmetric matrix U diag(y) Uᵀ is moved by s_kl, and the skew part *turns* U
against V by the angle √λ_kl/(σ_k + σ_l): then a_kl adds nothing to d, whose pole at y_k = -y_l stays.  That is the only
way at infinite depth, where y = log σ may be negative, and the better one at large depths, where a_kl grows up to N.

Source: Kato, *Perturbation theory for linear operators*, II.2 (second order); Menon, Yu, arXiv 2302.11653.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Matrix, S, Symbol, expand_log, powsimp, sqrt, symbols

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.free_energy import entropy_degree
from geometry.means import explicit
from geometry.radial_diffusion import flat_coordinate, radial_diffusion

__all__ = ["FlatKernels", "PairCoefficients", "flat_kernels"]

Array = NDArray[np.float64]

GAP = 1e-5
"""How far apart flat coordinates of pairs are kept, on the scale of y at σ = 1, where kernels with removable poles are
taken.  Their values change by as much; rounding at the pole adds at most 1e-16/GAP²."""


@dataclass(frozen=True)
class FlatKernels:
    """The coefficients of Y at a pair σ_k = 1 ≥ σ_l as functions of y_l; elsewhere they follow by scaling.

    The argument of kernels of a pair is y_l over y at σ = 1, which keeps powers of it representable, or log σ_l.

    Attributes
    ----------
    coordinate : Kernel
        y(σ).
    inverse : Kernel
        σ as a function of that argument.
    top : float
        y at σ = 1.
    scales : bool
        Whether σ → cσ multiplies y, as y = √N σ^{1/N}; otherwise it is added to, as y = log σ.
    symmetric, skew, turn : Kernel
        s_kl, a_kl and √λ_kl/(σ_k + σ_l).
    larger_drift, smaller_drift : Kernel
        The terms of the pair in d_k and in d_l.
    larger_entropy, smaller_entropy : Kernel
        ∂S/∂log σ_k and ∂S/∂log σ_l, S the logarithm of the volume of the fibre of layers of hidden width r.
    speed : Kernel
        √λ(σ, σ)/σ as a function of σ: the component of grad S along y_k is this times ∂S/∂log σ_k.
    symmetric_shifts, skew_shifts : Kernel
        For k and l, (2, 1): s² /(y_k - y_l) - ∂_k log (σ_k - σ_l) and its like; see `langevin_steps`.
    """

    coordinate: Kernel
    inverse: Kernel
    top: float
    scales: bool
    symmetric: Kernel
    skew: Kernel
    turn: Kernel
    larger_drift: Kernel
    smaller_drift: Kernel
    larger_entropy: Kernel
    smaller_entropy: Kernel
    speed: Kernel
    symmetric_shifts: Kernel
    skew_shifts: Kernel

    def argument(self, y: Array) -> Array:
        """Of the kernels."""
        return y / self.top if self.scales else y

    def singular_value(self, y: Array) -> Array:
        """σ(y)."""
        return np.asarray(self.inverse(self.argument(y)))

    def pair_coefficients(self, y: Array) -> PairCoefficients:
        """The coefficients at flat coordinates (…, r) in decreasing order, for all pairs k < l."""
        k, l = np.triu_indices(y.shape[-1], 1)
        if self.scales:
            factor = np.maximum(y[..., k], np.finfo(float).tiny) / self.top
            smaller = np.minimum(y[..., l] / factor, self.top * (1 - GAP))
        else:
            factor = np.ones_like(y[..., k])
            smaller = np.minimum(y[..., l] - y[..., k], self.top - GAP)
        return PairCoefficients(k, l, factor, smaller, self)


@dataclass(frozen=True)
class PairCoefficients:
    """The coefficients of a batch of spectra, (…, pairs) each, taken when asked for."""

    k: NDArray[np.intp]
    l: NDArray[np.intp]
    factor: Array
    smaller: Array
    kernels: FlatKernels

    @property
    def argument(self) -> Array:
        """Of the kernels."""
        return self.kernels.argument(self.smaller)

    def symmetric(self) -> Array:
        """s_kl."""
        return np.asarray(self.kernels.symmetric(self.argument))

    def skew(self) -> Array:
        """a_kl."""
        return np.asarray(self.kernels.skew(self.argument))

    def turn(self) -> Array:
        """√λ_kl/(σ_k + σ_l)."""
        return np.asarray(self.kernels.turn(self.argument)) / self.factor

    def drift(self, rank: int) -> Array:
        """d, (…, r)."""
        larger, smaller = self.kernels.larger_drift(self.argument), self.kernels.smaller_drift(self.argument)
        return self.gathered(larger / self.factor, smaller / self.factor, rank)

    def shifts(self) -> list[tuple[Array, Array]]:
        """What y_k and y_l are moved by, (…, pairs) each, for a unit of variance missing: symmetric, then skew part."""
        found = (kernel(self.argument)[..., 0] for kernel in (self.kernels.symmetric_shifts, self.kernels.skew_shifts))
        return [(both[..., 0] / self.factor, both[..., 1] / self.factor) for both in found]

    def pair_entropy_slopes(self) -> tuple[Array, Array]:
        """½ ∂ log λ_kl/∂y_k and by y_l, (…, pairs) each: S sums ½ log λ_kl over the pairs, for hidden width r."""
        larger, smaller = self.kernels.larger_entropy(self.argument), self.kernels.smaller_entropy(self.argument)
        speeds = self.kernels.speed(1.0), self.kernels.speed(self.kernels.singular_value(self.smaller))
        return larger * speeds[0] / self.factor, smaller * speeds[1] / self.factor

    def entropy_slope(self, rank: int) -> Array:
        """∂S/∂log σ_k, (…, r)."""
        larger, smaller = self.kernels.larger_entropy(self.argument), self.kernels.smaller_entropy(self.argument)
        return self.gathered(larger, smaller, rank)

    def gathered(self, larger: Array, smaller: Array, rank: int) -> Array:
        """For each k the sum over the pairs that it is in, (…, r)."""
        total = np.zeros((*self.factor.shape[:-1], rank))
        for pair, (k, l) in enumerate(zip(self.k, self.l, strict=True)):
            total[..., k] += larger[..., pair]
            total[..., l] += smaller[..., pair]
        return total


@lru_cache(maxsize=64)
def flat_kernels(network: DeepLinearNetwork, turning: bool) -> FlatKernels:
    """Compile the coefficients of Y for the depth of a network with m = n = r.

    Parameters
    ----------
    network : DeepLinearNetwork
    turning : bool
        Whether the skew part of the noise turns U against V; otherwise it moves Y.
    """
    pair = _network_of_pairs(network)
    coordinate, singular_value = flat_coordinate(pair.metric)
    (sigma,), (flat,) = coordinate.free_symbols, singular_value.free_symbols
    top = coordinate.subs(sigma, 1)
    argument = Symbol("z", positive=True) if top.is_positive else Symbol("z", real=True)
    z, unit = (top * argument, top) if top.is_positive else (argument, S.One)
    b = powsimp(singular_value.subs(flat, z), force=True)
    speed = b.diff(argument) / unit
    root = sqrt(explicit(pair.pair_multiplier(S.One, b)))
    symmetric, turn = root * (top - z) / (1 - b), root / (1 + b)
    skew = turn * (top + z)
    repelled = symmetric**2 / (top - z)
    raised = S.Zero if turning else skew**2 / (top + z)
    larger, smaller = _laplacians(pair, top, z)
    one = singular_value.diff(flat).subs(flat, top)
    symmetric_shifts = [repelled - one / (1 - b), -repelled + speed / (1 - b)]
    skew_shifts = [raised - one / (1 + b), raised - speed / (1 + b)]
    entropy = explicit(pair.entropy()).xreplace(dict(zip(pair.singular_values, (S.One, b), strict=True)))
    slope = expand_log(entropy, force=True).diff(argument) * powsimp(b / b.diff(argument))
    kernels = {
        "symmetric": symmetric,
        "skew": skew,
        "turn": turn,
        "larger_drift": larger - repelled - raised,
        "smaller_drift": smaller + repelled - raised,
        "symmetric_shifts": Matrix(symmetric_shifts),
        "skew_shifts": Matrix(skew_shifts),
        "larger_entropy": entropy_degree(pair) - slope,
        "smaller_entropy": slope,
    }
    return FlatKernels(
        coordinate=compile_kernel(coordinate, (sigma,)),
        inverse=compile_kernel(b, (argument,)),
        top=float(top),
        scales=bool(top.is_positive),
        speed=compile_kernel(powsimp(sqrt(pair.pair_multiplier(sigma, sigma)) / sigma), (sigma,)),
        **{name: compile_kernel(expression, (argument,)) for name, expression in kernels.items()},
    )


def _network_of_pairs(network: DeepLinearNetwork) -> DeepLinearNetwork:
    """The same depth and scale with two singular values, which all coefficients of pairs are taken from."""
    return DeepLinearNetwork(network.depth, (2, 2), 2, network.field, network.rescaled)


def _laplacians(pair: DeepLinearNetwork, first: Expr, second: Expr) -> list[Expr]:
    """Δy_1 and Δy_2: twice the drift of radial Brownian motion, whose generator is Δ/2."""
    names = symbols("y_1 y_2", real=True)
    values = dict(zip(names, (first, second), strict=True))
    diffusion = radial_diffusion(pair.metric)
    return [2 * diffusion.drift_at(position).xreplace(values) for position in range(2)]
