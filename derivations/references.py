"""The sources that derivations cite."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ARNOLD",
    "ARORA_COHEN_HAZAN",
    "ARORA_COHEN_HU_LUO",
    "BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG",
    "BESSE",
    "BHATIA_JAIN_LIM",
    "CHEN",
    "CHEN_KOTWAL_MENON",
    "COHEN_MENON_VERASZTO",
    "CONTRERAS_NAHAS_KOTWAL",
    "FORRESTER",
    "FORRESTER_WARNAAR",
    "HELGASON",
    "LINDSEY_MENON",
    "MENON",
    "MENON_YU_ENTROPY",
    "MENON_YU_LANGEVIN",
    "PETERSEN",
    "SAXE_MCCLELLAND_GANGULI",
    "SHIN_YUN",
    "Reference",
]


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

    @property
    def short(self) -> str:
        """Surnames, identifier and place."""
        surnames = ", ".join(author.split()[-1] for author in self.authors.split(", "))
        return ", ".join(filter(None, (surnames, self.identifier, self.place)))

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
ARORA_COHEN_HU_LUO = Reference(
    "S. Arora, N. Cohen, W. Hu, Y. Luo", "Implicit regularization in deep matrix factorization", "arXiv:1905.13655"
)
MENON = Reference("G. Menon", "The geometry of the deep linear network", "arXiv:2411.09004")
MENON_YU_ENTROPY = Reference("G. Menon, T. Yu", "An entropy formula for the deep linear network", "arXiv:2509.09088")
MENON_YU_LANGEVIN = Reference("G. Menon, T. Yu", "Riemannian Langevin equation and conic programs", "arXiv:2302.11653")
CHEN = Reference("Chen", "Geodesics in the deep linear network", "arXiv:2510.07324")
CHEN_KOTWAL_MENON = Reference(
    "Chen, Kotwal, G. Menon", "Entropic regularization in the deep linear network", "arXiv:2512.06137"
)
LINDSEY_MENON = Reference(
    "Lindsey, G. Menon", "Regularization implies balancedness in the deep linear network", "arXiv:2511.01137"
)
CONTRERAS_NAHAS_KOTWAL = Reference("Contreras, Nahas, Kotwal", "Entropy over R, C, H", "arXiv:2606.16579")
SHIN_YUN = Reference("Shin, Yun", "Rank-one convergence", "arXiv:2603.04703")
BESSE = Reference("A. L. Besse", "Einstein manifolds", "Springer 1987")
BHATIA_JAIN_LIM = Reference(
    "R. Bhatia, T. Jain, Y. Lim",
    "On the Bures-Wasserstein distance between positive definite matrices",
    "arXiv:1712.01504",
)
FORRESTER = Reference("P. J. Forrester", "Log-gases and random matrices", "Princeton University Press 2010")
ARNOLD = Reference("V. I. Arnold", "Mathematical methods of classical mechanics", "Springer 1989")
SAXE_MCCLELLAND_GANGULI = Reference(
    "A. M. Saxe, J. L. McClelland, S. Ganguli",
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    "arXiv:1312.6120",
)
HELGASON = Reference("S. Helgason", "Groups and geometric analysis", "Academic Press 1984")
PETERSEN = Reference("P. Petersen", "Riemannian geometry", "Springer 2016")
FORRESTER_WARNAAR = Reference(
    "P. J. Forrester, S. O. Warnaar", "The importance of the Selberg integral", "Bull. Amer. Math. Soc. 45 (2008)"
)
