"""The sources that derivations cite."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARORA_COHEN_HAZAN", "BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG", "COHEN_MENON_VERASZTO", "Reference"]


@dataclass(frozen=True)
class Reference:
    """A source and the place in it."""

    authors: str
    title: str
    identifier: str
    place: str = ""

    def at(self, place: str) -> Reference:
        """The same source at a theorem, section or equation."""
        return Reference(self.authors, self.title, self.identifier, place)

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"{self.authors}, {self.title}, {self.identifier}{place}"


COHEN_MENON_VERASZTO = Reference(
    "Z. Cohen, G. Menon, Z. Veraszto",
    "Deep linear networks for matrix completion: an infinite depth limit",
    "arXiv:2210.12497",
)
BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG = Reference(
    "B. Bah, H. Rauhut, U. Terstiege, M. Westdickenberg",
    "Learning deep linear neural networks: Riemannian gradient flows and convergence to global minimizers",
    "arXiv:1910.05505",
)
ARORA_COHEN_HAZAN = Reference(
    "S. Arora, N. Cohen, E. Hazan",
    "On the optimization of deep networks: implicit acceleration by overparameterization",
    "arXiv:1802.06509",
)
