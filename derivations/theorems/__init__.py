"""The theorems, one a file; each has a function `derive(network)`."""

from __future__ import annotations

from collections.abc import Callable

from geometry import DeepLinearNetwork

from ..derivation import Derivation
from . import infinite_depth, metric, multiplier, spectral_flow, volume_form

__all__ = ["DERIVATIONS"]

DERIVATIONS: dict[str, Callable[[DeepLinearNetwork], Derivation]] = {
    theorem.NAME: theorem.derive for theorem in (multiplier, metric, volume_form, infinite_depth, spectral_flow)
}
"""Derivations by name: each takes a network."""
