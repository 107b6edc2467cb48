"""The formulas of the report as a LaTeX document, and the kernels emitted from them."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sympy import Expr, Symbol, oo

from geometry import DeepLinearNetwork, compile_kernel
from geometry.backends.numpy_backend import NAMESPACE

from ..derivation import Derivation
from ..step import typeset
from ..theorems import DERIVATIONS

__all__ = ["REPORTED", "compile_document", "derivations_for", "kernel_module", "latex_document"]

logger = logging.getLogger(__name__)

REPORTED = ("multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow")
"""The theorems that the report is about; `dln verify` checks the whole catalogue."""
NAMES = {oo: "infinity"}
SHORT = 160
"""The length of the source of an equality that certainly fits on one line."""
PREAMBLE = r"""\documentclass[a4paper,11pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=22mm]{geometry}
\usepackage{amsmath,amssymb}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\title{The deep linear network:\\ metric, multiplier, volume form, infinite depth, spectral flow}
\author{derived and checked by \texttt{dln report}}
\begin{document}
\maketitle
"""


def derivations_for(depth: int | Expr) -> list[Derivation]:
    """The theorems of the report for one depth, on 2 x 2 matrices (short formulas that show everything)."""
    network = DeepLinearNetwork(depth, (2, 2))
    names = [name for name in REPORTED if name != "infinite-depth" or isinstance(depth, Symbol)]
    return [DERIVATIONS[name](network) for name in names]


def latex_document(depths: Sequence[int | Expr]) -> str:
    """Derivations for symbolic depth with all their steps, and the results for each depth asked."""
    N = Symbol("N", positive=True)
    parts = [PREAMBLE, r"\section{Symbolic depth, with all steps}"]
    for derivation in derivations_for(N):
        parts += [rf"\subsection{{{_title(derivation.name)}}}", _steps(derivation)]
    null = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (4, 3), 2))
    parts += [
        r"\subsection{Volume form with null spaces: $4 \times 3$, rank 2}",
        *(rf"\[ {equation} \]" for equation in null.result_latex()),
    ]
    for depth in depths:
        parts.append(rf"\section{{Depth ${typeset_depth(depth)}$}}")
        for derivation in derivations_for(depth):
            body = "\n".join(rf"\[ {equation} \]" for equation in derivation.result_latex())
            parts += [rf"\subsection*{{{_title(derivation.name)}}}", body]
    return "\n\n".join([*parts, r"\end{document}", ""])


def typeset_depth(depth: int | Expr) -> str:
    """A depth in LaTeX."""
    return {oo: r"\infty"}.get(depth, str(depth))


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _steps(derivation: Derivation) -> str:
    """The steps; long sides one below the other, since they do not fit on one line."""
    lines = [derivation.statement]
    for number, (step, explained) in enumerate(derivation.explained_steps(), 1):
        lines.append(rf"{number}. {step.reason.capitalize()}:")
        left, right = (typeset(side) for side in step.sides)
        rows = [rf"&{left} = {right}" if len(left + right) < SHORT else rf"&{left} \\ &\quad = {right}"]
        rows += [rf"&\text{{where }} {typeset(symbol)} = {typeset(value)}" for symbol, value in explained.items()]
        lines.append("\n".join([r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]))
    lines.append("Result:")
    lines += [rf"\[ {equation} \]" for equation in derivation.result_latex()]
    lines.append(rf"\emph{{Source: {derivation.reference}.}}")
    return "\n\n".join(lines)


def compile_document(source: Path) -> Path | None:
    """Compile a LaTeX file with pdflatex; None where that is missing.

    Raises
    ------
    RuntimeError
        If pdflatex fails, with the end of its log.
    """
    program = shutil.which("pdflatex")
    if program is None:
        logger.info("pdflatex is not installed: %s stays LaTeX", source)
        return None
    command = [program, "-interaction=nonstopmode", "-halt-on-error", source.name]
    run = subprocess.run(command, cwd=source.parent, capture_output=True, check=False, timeout=120)
    if run.returncode:
        raise RuntimeError(f"pdflatex failed on {source}:\n" + run.stdout.decode(errors="replace")[-2000:])
    for suffix in (".aux", ".log", ".out"):
        source.with_suffix(suffix).unlink(missing_ok=True)
    return source.with_suffix(".pdf")


def kernel_module(depths: Sequence[int | Expr]) -> str:
    """Python source of the kernels, as they are emitted: multiplier and log volume density, 2 x 2."""
    lines = [
        '"""Kernels emitted by geometry.compile_kernel for 2 x 2 matrices: functions of floats and NumPy arrays."""',
        "",
        "from numpy import abs, log, sqrt",
        "",
        f"from geometry.backends.numpy_backend import {', '.join(sorted(NAMESPACE))}",
    ]
    for depth in depths:
        network = DeepLinearNetwork(depth, (2, 2))
        for name, expression in (
            ("multiplier", network.multiplier(0, 1)),
            ("log_volume_density", network.log_volume_density()),
        ):
            source = compile_kernel(expression, network.singular_values).source
            source = source.replace("_lambdifygenerated", f"{name}_depth_{NAMES.get(depth, depth)}").strip()
            # One value, not a list of one, for those who call it by hand.
            lines += ["", "", re.sub(r"return \[(.*)\]$", r"return \1", source)]
    return "\n".join(lines) + "\n"
