"""The networks on which theorems are verified."""

from __future__ import annotations

from sympy import Symbol, oo, symbols

from geometry import DeepLinearNetwork

__all__ = [
    "networks_over_fields",
    "networks_with_metric",
    "networks_with_metric_of_all_kinds",
    "standard_networks",
    "symbolic_network",
]


def standard_networks() -> tuple[DeepLinearNetwork, ...]:
    """Symbolic, integer and infinite depth, with null spaces, over R."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (3, 3)),
        DeepLinearNetwork(N, (4, 3), 2),
        DeepLinearNetwork(3, (2, 4), 2, rescaled=True),
        DeepLinearNetwork(oo, (3, 3)),
        DeepLinearNetwork(oo, (3, 2), 2),
    )


def networks_with_metric() -> tuple[DeepLinearNetwork, ...]:
    """The standard networks without the one whose metric has no limit at infinite depth, which is what it says."""
    return tuple(network for network in standard_networks() if not network.freezes_spaces)


def networks_with_metric_of_all_kinds() -> tuple[DeepLinearNetwork, ...]:
    """Those with a metric: standard, symbolic in everything, over C and H."""
    return (*networks_with_metric(), symbolic_network(), *networks_over_fields())


def symbolic_network() -> DeepLinearNetwork:
    """Everything a symbol: depth, shape and rank."""
    m, n, r = symbols("m n r", integer=True, positive=True)
    return DeepLinearNetwork(Symbol("N", positive=True), (m, n), r)


def networks_over_fields() -> tuple[DeepLinearNetwork, ...]:
    """Over C and H, with phases, null spaces and infinite depth."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (2, 2), field="C"),
        DeepLinearNetwork(3, (2, 1), field="H"),
        DeepLinearNetwork(oo, (2, 2), field="C"),
    )
