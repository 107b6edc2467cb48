"""How long each theorem of the catalogue takes to derive, for rank 4 and with everything a symbol.

    python -m benchmarks.catalogue

Every theorem in a process of its own would mostly time the imports; so they share one, in the order of
the catalogue, and what one theorem has cached serves the next, as in a session.
"""

from __future__ import annotations

import time

from sympy import Symbol

from derivations import DERIVATIONS
from derivations.standard_networks import symbolic_network
from geometry import DeepLinearNetwork

NETWORKS = {
    "rank 4": DeepLinearNetwork(Symbol("N", positive=True), (4, 4)),
    "m x n, rank r": symbolic_network(),
}


def seconds(name: str, network: DeepLinearNetwork) -> float | None:
    """The time that a derivation takes; None where the theorem says nothing about the network."""
    start = time.perf_counter()
    try:
        DERIVATIONS[name](network)
    except ValueError:
        return None
    return time.perf_counter() - start


def main() -> None:
    print(f"{'theorem':<26}" + "".join(f"{label:>18}" for label in NETWORKS))
    totals = dict.fromkeys(NETWORKS, 0.0)
    for name in DERIVATIONS:
        row = f"{name:<26}"
        for label, network in NETWORKS.items():
            taken = seconds(name, network)
            totals[label] += taken or 0.0
            row += f"{'does not apply':>18}" if taken is None else f"{taken:16.2f} s"
        print(row)
    print(f"{'all':<26}" + "".join(f"{total:16.2f} s" for total in totals.values()))


if __name__ == "__main__":
    main()
