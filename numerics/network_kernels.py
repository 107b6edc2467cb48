"""The kernels that the numerics need of a network, emitted by `geometry`.

One file, so that it can be seen at a glance that nothing is retyped: every formula is an expression
of the network's, compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, symbols

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.spectral_flow import pair_rotation

__all__ = ["NetworkKernels", "explicit_shape", "network_kernels"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NetworkKernels:
    """Compiled functions of singular values.

    Attributes
    ----------
    pair : Kernel
        λ(a, b).
    null : Kernel
        λ(a, 0).
    null_rate : Kernel
        λ(a, 0)/a, the rate at which the singular spaces turn.
    rotation : Kernel
        (Ω^U_kl, Ω^V_kl) as a function of (a, b, G_kl, G_lk).
    log_volume : Kernel
        log √det g as a function of (σ_1, …, σ_r).
    """

    pair: Kernel
    null: Kernel
    null_rate: Kernel
    rotation: Kernel
    log_volume: Kernel

    def multiplier_matrix(self, singular_values: Array) -> Array:
        """The matrix λ_kl, (…, r, r), for singular values (…, r)."""
        return np.asarray(self.pair(singular_values[..., :, None], singular_values[..., None, :]))

    def log_volume_at(self, singular_values: Array) -> Array:
        """log √det g, (…), for singular values (…, r); -inf where two coalesce."""
        return np.asarray(self.log_volume(*np.moveaxis(np.asarray(singular_values), -1, 0)))


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
    """Compile the kernels of a network; compiled once for each."""
    explicit_shape(network)
    a, b = symbols("a b", positive=True)
    first, second = symbols("G_kl G_lk", real=True)
    null = network.pair_null_multiplier(a)
    return NetworkKernels(
        pair=compile_kernel(network.pair_multiplier(a, b), (a, b)),
        null=compile_kernel(null, (a,)),
        null_rate=compile_kernel(null / a, (a,)),
        rotation=compile_kernel(
            list(pair_rotation(a, b, (first, second), network.pair_multiplier(a, b))), (a, b, first, second)
        ),
        log_volume=compile_kernel(network.log_volume_density(), network.singular_values),
    )
