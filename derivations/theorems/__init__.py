"""The theorems, one a file; each has a `NAME`, a `REFERENCE` and a function `derive(network)`.

A theorem that is verified on other networks than the standard ones names them in `networks()`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from geometry import DeepLinearNetwork

from ..derivation import Derivation
from . import infinite_depth, metric, multiplier, spectral_flow, volume_form

__all__ = ["DERIVATIONS", "THEOREMS"]

THEOREMS: dict[str, ModuleType] = {
    theorem.NAME: theorem for theorem in (multiplier, metric, volume_form, infinite_depth, spectral_flow)
}
"""The modules by name, in the order of the catalogue."""

DERIVATIONS: dict[str, Callable[[DeepLinearNetwork], Derivation]] = {
    name: theorem.derive for name, theorem in THEOREMS.items()
}
"""Derivations by name: each takes a network."""
