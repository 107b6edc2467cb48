"""The theorems, one a file; each has a `NAME`, a `REFERENCE` and a function `derive(network)`.

A theorem that is verified on other networks than the standard ones names them in `networks()`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from geometry import DeepLinearNetwork

from ..derivation import Derivation
from . import (
    balancing_flow,
    bures_wasserstein,
    conserved_quantities,
    constant_defect,
    decay_rates,
    depth_expansion,
    diagonal_geodesics,
    diagonal_training,
    entropy,
    entropy_limit,
    equilibrium,
    escape_times,
    fibre_gram_matrix,
    free_energy,
    geodesic_equations,
    gibbs_partition,
    group_volumes,
    infinite_depth,
    invariance,
    langevin,
    laplacian,
    layer_langevin,
    linearization,
    metric,
    multiplier,
    radial_brownian_motion,
    ricci_curvature,
    riemannian_submersion,
    scalar_curvature,
    scaling_and_inversion,
    sectional_curvature,
    slow_flow,
    spectral_energy_flow,
    spectral_flow,
    split_off_factor,
    structure_equations,
    time_scales,
    volume_form,
)

__all__ = ["DERIVATIONS", "THEOREMS"]

CATALOGUE = (
    # the metric and its volume
    multiplier,
    metric,
    volume_form,
    group_volumes,
    infinite_depth,
    depth_expansion,
    # where it comes from, and its symmetries
    riemannian_submersion,
    invariance,
    scaling_and_inversion,
    split_off_factor,
    # curvature and geodesics
    structure_equations,
    scalar_curvature,
    ricci_curvature,
    sectional_curvature,
    geodesic_equations,
    diagonal_geodesics,
    bures_wasserstein,
    # diffusion
    laplacian,
    radial_brownian_motion,
    gibbs_partition,
    langevin,
    layer_langevin,
    equilibrium,
    # entropy
    fibre_gram_matrix,
    entropy,
    entropy_limit,
    free_energy,
    # training
    spectral_flow,
    spectral_energy_flow,
    diagonal_training,
    escape_times,
    linearization,
    decay_rates,
    time_scales,
    slow_flow,
    conserved_quantities,
    constant_defect,
    balancing_flow,
)

THEOREMS: dict[str, ModuleType] = {theorem.NAME: theorem for theorem in CATALOGUE}
"""The modules by name, in the order of the catalogue."""

DERIVATIONS: dict[str, Callable[[DeepLinearNetwork], Derivation]] = {
    name: theorem.derive for name, theorem in THEOREMS.items()
}
"""Derivations by name: each takes a network."""
