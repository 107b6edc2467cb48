r"""All derivations as one document: contents, notation, theorems with their steps and checks, references.

Every theorem is typeset for the first network that it is verified on, mostly of symbolic depth, and says how its
checks on that network came out; with a file of `dln verify --json`, how they came out on all of its networks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sympy import Symbol, latex

from geometry import DeepLinearNetwork

from .book_notation import notation_table
from .derivation import BOUNDS, ROUTES, CheckResult, Derivation, DerivationError
from .latex_derivation import equations_latex, result_equations, statement_latex, steps_latex
from .references import bibliography
from .theorems import DERIVATIONS
from .verification import verified_networks, versions

__all__ = ["CHAPTERS", "Chapter", "book_source", "check_all", "derive_all", "read_checks"]

CHAPTERS = {
    "multiplier": "The metric and its volume",
    "riemannian-submersion": "Where the metric comes from, and its symmetries",
    "structure-equations": "Curvature and geodesics",
    "laplacian": "Diffusion",
    "fibre-gram-matrix": "Entropy",
    "spectral-flow": "Training",
}
"""The theorem that each chapter begins with, and its title."""

SMALLER = ("free-energy", "laplacian", "layer-langevin")
"""Theorems whose steps have all singular values in them: two are enough to see what happens."""

PREAMBLE = r"""\documentclass[a4paper,11pt,fleqn]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern}
\usepackage{microtype}
\usepackage[margin=24mm]{geometry}
\usepackage{amsmath,amssymb}
\usepackage{booktabs,longtable}
\usepackage[hidelinks]{hyperref}
\hypersetup{pdftitle={The deep linear network: derivations}}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{5pt plus 2pt}
\setlength{\emergencystretch}{3em}
\raggedbottom
\AtBeginDocument{\setlength{\mathindent}{1.5em}}
\title{The deep linear network\\[1ex]\large Derivations, each step checked}
\author{}
"""
PREFACE = r"""Every formula below was derived by the software, not typed. A theorem is a chain of equalities, each with
its reason, and a result. Its checks go three ways: \emph{exact}, in rational arithmetic or symbolically;
\emph{precise}, with fifty digits; \emph{float}, the compiled formulas in double precision. Each of them checks every
step by itself and the result against the definition of $\mathcal{A}_N$; the figure is the largest relative error that
was met."""


@dataclass(frozen=True)
class Chapter:
    """Derivations under one title."""

    title: str
    derivations: tuple[Derivation, ...]


def derive_all(
    names: Sequence[str] | None = None, progress: Callable[[str, float], None] | None = None
) -> list[Chapter]:
    """The chapters, each theorem on the first of its networks.

    Parameters
    ----------
    names : sequence of str, optional
        Keys of `DERIVATIONS`; all of them unless given.
    progress : callable, optional
        Called with the name of each theorem and the share done.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    chosen = list(DERIVATIONS) if names is None else list(names)
    for name in chosen:
        if name not in DERIVATIONS:
            raise ValueError(f"unknown theorem {name!r}; there are {', '.join(DERIVATIONS)}")
    chapters: dict[str, list[Derivation]] = {}
    title = ""
    for number, name in enumerate(DERIVATIONS):
        title = CHAPTERS.get(name, title)
        if name not in chosen:
            continue
        if progress is not None:
            progress(f"deriving {name}", number / len(DERIVATIONS))
        derivation = DERIVATIONS[name](_network(name))
        chapters.setdefault(title, []).append(derivation)
    return [Chapter(title, tuple(derivations)) for title, derivations in chapters.items()]


def _network(name: str) -> DeepLinearNetwork:
    return DeepLinearNetwork(Symbol("N", positive=True), (2, 2)) if name in SMALLER else verified_networks(name)[0]


def check_all(
    chapters: Iterable[Chapter], progress: Callable[[str, float], None] | None = None
) -> dict[str, list[CheckResult]]:
    """The checks of the derivations, by the name of the theorem; one that fails is a result, not an exception."""
    derivations = [derivation for chapter in chapters for derivation in chapter.derivations]
    checks: dict[str, list[CheckResult]] = {}
    for number, derivation in enumerate(derivations):
        if progress is not None:
            progress(f"checking {derivation.name}", number / len(derivations))
        checks[derivation.name] = [_checked(derivation, route) for route in ROUTES]
    return checks


def _checked(derivation: Derivation, route: str) -> CheckResult:
    try:
        return derivation.check(route)
    except DerivationError as error:
        return CheckResult(derivation.name, route, False, float("inf"), BOUNDS[route], str(error))


def read_checks(path: Path | str) -> dict[str, list[CheckResult]]:
    """The checks in a file of `dln verify --json`, by the name of the theorem.

    Raises
    ------
    ValueError
        If the file is none of that kind.
    """
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["checks"]
        checks: dict[str, list[CheckResult]] = {}
        for row in rows:
            figure = float("inf") if row["figure"] is None else float(row["figure"])
            result = CheckResult(row["name"], row["route"], row["passed"], figure, row["bound"], row.get("message", ""))
            checks.setdefault(result.name.split(" [")[0], []).append(result)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no file of 'dln verify --json': {error}") from error
    return checks


# --------------------------------------------------------------------------------- the document


def book_source(chapters: Iterable[Chapter], checks: Mapping[str, Sequence[CheckResult]]) -> str:
    """The document in LaTeX; a theorem without checks is said to be unchecked."""
    parts = [PREAMBLE, rf"\date{{Version {versions()['dln-geometry']}}}", r"\begin{document}", r"\maketitle", PREFACE]
    parts += [r"\tableofcontents", r"\section*{Notation}", r"\addcontentsline{toc}{section}{Notation}"]
    parts.append(notation_table())
    for chapter in chapters:
        parts.append(rf"\section{{{chapter.title}}}")
        parts += [_theorem(derivation, checks.get(derivation.name, [])) for derivation in chapter.derivations]
    return "\n\n".join([*parts, _references(), r"\end{document}", ""])


def title_of(name: str) -> str:
    """The name of a theorem as a heading."""
    words = name.replace("-", " ").replace("bures wasserstein", "Bures--Wasserstein")
    return (words[:1].upper() + words[1:]).replace("langevin", "Langevin").replace("brownian", "Brownian")


def _theorem(derivation: Derivation, checks: Sequence[CheckResult]) -> str:
    reference = derivation.reference
    place = f"[{reference.place}]" if reference.place else ""
    return "\n".join(
        [
            rf"\subsection{{{title_of(derivation.name)}}}",
            rf"\textit{{{network_latex(derivation)}. Source: \cite{place}{{{reference.key}}}.}}",
            "",
            statement_latex(derivation) + "\n",
            steps_latex(derivation),
            "Hence",
            equations_latex(result_equations(derivation)),
            status_latex(checks),
        ]
    )


def network_latex(derivation: Derivation) -> str:
    """Depth, shape, rank and field of a network, in words."""
    network = derivation.network
    m, n = network.shape
    field = {"R": "real", "C": "complex", "H": "quaternionic"}[network.field]
    rescaled = ", rescaled" if network.rescaled else ""
    return f"Depth ${latex(network.depth)}${rescaled}, {field} ${m} \\times {n}$ matrices of rank ${network.rank}$"


def status_latex(checks: Sequence[CheckResult]) -> str:
    """The verification status: for each route the checks that passed and the largest figure."""
    if not checks:
        return r"\textsc{Not checked} in this edition."
    columns = []
    for route in ROUTES:
        of_route = [check for check in checks if check.route == route]
        if not of_route:
            continue
        passed = sum(check.passed for check in of_route)
        count = f"{passed} of {len(of_route)}, " if len(of_route) > 1 else ""
        worst = max(check.figure for check in of_route)
        good = passed == len(of_route)
        columns.append(f"{route} ({count}{_figure(worst)})" if good else rf"\textbf{{{route} FAILED}}")
    verdict = "Verified" if all(check.passed for check in checks) else r"\textbf{Not verified}"
    return rf"\textsc{{{verdict}}}: {', '.join(columns)}."


def _figure(figure: float) -> str:
    if figure == 0:
        return "error $0$"
    mantissa, exponent = f"{figure:.0e}".split("e")
    return rf"error ${mantissa} \cdot 10^{{{int(exponent)}}}$"


def _references() -> str:
    entries = []
    for source in bibliography():
        number = source.identifier.removeprefix("arXiv:")
        arxiv = source.identifier != number
        identifier = rf"\href{{https://arxiv.org/abs/{number}}}{{{source.identifier}}}" if arxiv else source.identifier
        entries.append(rf"\bibitem{{{source.key}}} {source.authors}. \emph{{{source.title}}}. {identifier}.")
    return "\n".join([r"\begin{thebibliography}{99}", *entries, r"\end{thebibliography}"])
