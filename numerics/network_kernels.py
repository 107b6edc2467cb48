"""The kernels that the numerics need of a network, emitted by `geometry`.

One file, so that it can be seen at a glance that nothing is retyped: every formula is an expression
of the network's, compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, symbols

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.divided_differences import multiplier_divided_difference, rate_differences
from geometry.spectral_flow import pair_rotation

__all__ = ["NetworkKernels", "explicit_shape", "network_kernels"]

Array = NDArray[np.float64]

A, B, C = symbols("a b c", positive=True)
G_KL, G_LK = symbols("G_kl G_lk", real=True)


@dataclass(frozen=True)
class NetworkKernels:
    """Compiled functions of singular values, each emitted when it is first needed.

    Attributes
    ----------
    network : DeepLinearNetwork
    """

    network: DeepLinearNetwork

    @cached_property
    def pair(self) -> Kernel:
        """λ(a, b)."""
        return compile_kernel(self.network.pair_multiplier(A, B), (A, B))

    @cached_property
    def null(self) -> Kernel:
        """λ(a, 0)."""
        return compile_kernel(self.network.pair_null_multiplier(A), (A,))

    @cached_property
    def null_rate(self) -> Kernel:
        """λ(a, 0)/a, the rate at which the singular spaces turn."""
        return compile_kernel(self.network.pair_null_multiplier(A) / A, (A,))

    @cached_property
    def rotation(self) -> Kernel:
        """(Ω^U_kl, Ω^V_kl) as a function of (a, b, G_kl, G_lk)."""
        rotation = pair_rotation(A, B, (G_KL, G_LK), self.network.pair_multiplier(A, B))
        return compile_kernel(list(rotation), (A, B, G_KL, G_LK))

    @cached_property
    def log_volume(self) -> Kernel:
        """log √det g as a function of (σ_1, …, σ_r)."""
        return compile_kernel(self.network.log_volume_density(), self.network.singular_values)

    @cached_property
    def triple(self) -> Kernel:
        """T(a, b, c) = λ(a, b) (λ(a, c) - λ(b, c))/(a² - b²), symmetric: the multiplier's share of derivatives."""
        return compile_kernel(multiplier_divided_difference(self.network, A, B, C), (A, B, C))

    @cached_property
    def rate_difference(self) -> Kernel:
        """(α, β) as a function of (a, b): the derivative of the null rates as a matrix function."""
        return compile_kernel(list(rate_differences(self.network, A, B)), (A, B))

    def multiplier_matrix(self, singular_values: Array) -> Array:
        """The matrix λ_kl, (…, r, r), for singular values (…, r); of a batch each value once for its two places."""
        if singular_values.ndim == 1:
            # A call costs more than the values, which on a grid share the powers of single singular values.
            return np.asarray(self.pair(singular_values[:, None], singular_values))
        (k, l), places = _symmetric_pairs(singular_values.shape[-1])
        pairs = self.pair(singular_values.take(k, axis=-1), singular_values.take(l, axis=-1))
        return np.asarray(pairs).take(places, axis=-1)

    def triple_array(self, singular_values: Array) -> Array:
        """The array T_ikj, (r, r, r), for singular values (r,); each value is evaluated once for its six places."""
        values, places = _symmetric_places(len(singular_values))
        return np.asarray(self.triple(*np.asarray(singular_values)[values]))[places]

    def log_volume_at(self, singular_values: Array) -> Array:
        """log √det g, (…), for singular values (…, r); -inf where two coalesce."""
        return np.asarray(self.log_volume(*np.moveaxis(np.asarray(singular_values), -1, 0)))


@lru_cache(maxsize=64)
def _symmetric_pairs(rank: int) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.intp]]:
    """Indices of the pairs k <= l, and for each place of an (r, r) matrix the number of its pair."""
    k, l = np.triu_indices(rank)
    places = np.empty((rank, rank), dtype=np.intp)
    places[k, l] = places[l, k] = np.arange(len(k))
    return (k, l), places


@lru_cache(maxsize=64)
def _symmetric_places(rank: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (3, t) of the triples i <= k <= j, and for each place of an (r, r, r) array the number of its triple."""
    places = np.sort(np.indices((rank, rank, rank)).reshape(3, -1), axis=0)
    values, inverse = np.unique(places, axis=1, return_inverse=True)
    return values, inverse.reshape(rank, rank, rank)


def explicit_shape(network: DeepLinearNetwork) -> tuple[int, int]:
    """The shape of a network that numbers can be put into.

    Raises
    ------
    ValueError
        If the depth, the shape or the rank is symbolic, or the field is not R.
    """
    if not isinstance(network, DeepLinearNetwork):
        raise TypeError(f"network must be a DeepLinearNetwork, not {network!r}")
    if isinstance(network.depth, Expr) and network.depth.free_symbols:
        raise ValueError(f"numerics need a network of integer or infinite depth, not of depth {network.depth}")
    m, n = network.shape
    if not (isinstance(m, int) and isinstance(n, int)):
        raise ValueError(f"numerics need a network of explicit shape, not of shape {network.shape}")
    if not isinstance(network.rank, int):
        raise ValueError(f"numerics need a network of explicit rank, not of rank {network.rank}")
    if network.field != "R":
        raise ValueError(f"numerics are over the real field, not over {network.field!r}")
    return m, n


@lru_cache(maxsize=64)
def network_kernels(network: DeepLinearNetwork) -> NetworkKernels:
    """The kernels of a network, the same object each time.

    Raises
    ------
    ValueError
        If the depth, the shape or the rank is symbolic, or the field is not R.
    """
    explicit_shape(network)
    return NetworkKernels(network)
