"""The sources that derivations cite."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
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
    "bibliography",
    "cited",
]

ARXIV = re.compile(r"arXiv:(?P<number>(?P<year>\d\d)\d\d\.\d{4,5})$")
ARTICLE = re.compile(r"(?P<journal>.*\D) (?P<volume>\d+) \((?P<year>\d{4})\)$")
BOOK = re.compile(r"(?P<publisher>.*\S) (?P<year>\d{4})$")
NAMES = ["Bures", "Gaussian", "Langevin", "Riemannian", "Selberg", "Wasserstein", "Einstein", "C", "H", "R"]
"""What keeps its capital letter where a style of BibTeX takes the others away."""


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
    def year(self) -> int:
        """Of publication; of a preprint the year in its number."""
        found = self._found()
        return int(found["year"]) + (2000 if found.re is ARXIV else 0)

    @property
    def key(self) -> str:
        r"""What \cite calls it: surnames and year.

        Examples
        --------
        >>> MENON_YU_ENTROPY.key
        'MenonYu2025'
        """
        plain = unicodedata.normalize("NFKD", "".join(self.surnames)).encode("ascii", "ignore").decode()
        return re.sub(r"\W", "", plain) + str(self.year)

    @property
    def surnames(self) -> list[str]:
        """Of the authors, in their order."""
        return [author.split()[-1] for author in self.authors.split(", ")]

    def bibtex(self) -> str:
        """The entry of a BibTeX file, without the place.

        Examples
        --------
        >>> print(BESSE.at("chapter 7").bibtex())
        @book{Besse1987,
          author = {A. L. Besse},
          title = {{Einstein} manifolds},
          publisher = {Springer},
          year = {1987},
        }
        """
        found = self._found()
        protected = re.sub(rf"\b({'|'.join(NAMES)})\b", r"{\1}", self.title)
        fields = {"author": self.authors.replace(", ", " and "), "title": protected}
        if found.re is ARXIV:
            kind, rest = "misc", {"eprint": found["number"], "archiveprefix": "arXiv"}
        elif found.re is ARTICLE:
            kind, rest = "article", {"journal": found["journal"], "volume": found["volume"]}
        else:
            kind, rest = "book", {"publisher": found["publisher"]}
        fields |= rest | {"year": str(self.year)}
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{kind}{{{self.key},", *lines, "}"])

    def _found(self) -> re.Match[str]:
        for pattern in (ARXIV, ARTICLE, BOOK):
            found = pattern.match(self.identifier)
            if found is not None:
                return found
        raise ValueError(f"{self.identifier!r} is none of 'arXiv:YYMM.NNNNN', 'Journal 12 (1999)', 'Publisher 1999'")

    @property
    def short(self) -> str:
        """Surnames, identifier and place."""
        return ", ".join(filter(None, (", ".join(self.surnames), self.identifier, self.place)))

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"{self.authors}, {self.title}, {self.identifier}{place}"


COHEN_MENON_VERASZTO = Reference(
    "N. Cohen, G. Menon, Z. Veraszto",
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
CHEN = Reference("A. Chen", "Geodesics in the deep linear network", "arXiv:2510.07324")
CHEN_KOTWAL_MENON = Reference(
    "A. Chen, T. Kotwal, G. Menon", "Entropic regularization in the deep linear network", "arXiv:2512.06137"
)
LINDSEY_MENON = Reference(
    "K. Lindsey, G. Menon", "Regularization implies balancedness in the deep linear network", "arXiv:2511.01137"
)
CONTRERAS_NAHAS_KOTWAL = Reference(
    "L. Contreras, M. Nahas, T. Kotwal",
    "On the entropy formula for real, complex, and quaternionic deep linear networks",
    "arXiv:2606.16579",
)
SHIN_YUN = Reference(
    "B. Shin, C. Yun",
    "Implicit bias and loss of plasticity in matrix completion: depth promotes low-rankness",
    "arXiv:2603.04703",
)
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


def bibliography() -> list[Reference]:
    """All sources, by the surnames of their authors and the year."""
    sources = [value for value in globals().values() if isinstance(value, Reference)]
    return sorted(sources, key=lambda source: source.key)


def cited(names: Sequence[str] | None, by_theorem: Mapping[str, Reference]) -> list[Reference]:
    """The sources of some theorems, or with these keys, each once and without a place; all without names.

    Raises
    ------
    ValueError
        If a name is neither a theorem's nor a key.
    """
    sources = {source.key: source for source in bibliography()}
    if not names:
        return list(sources.values())
    keys = {name: reference.key for name, reference in by_theorem.items()} | {key: key for key in sources}
    for name in names:
        if name not in keys:
            raise ValueError(f"{name!r} is neither a theorem ('dln derive --list') nor one of {', '.join(sources)}")
    return [sources[key] for key in dict.fromkeys(keys[name] for name in names)]
