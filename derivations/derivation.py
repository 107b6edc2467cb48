"""A theorem as a chain of checked steps.

A derivation has a statement, steps (equalities with a reason), a result and a reference.  It is
checked by three routes: every step by itself, and the result against the definition of A_N.

=========  ===============================================================================
exact      rational arithmetic with σ = τ^N; at infinite depth symbolically, limits by series
precise    mpmath at 50 digits; limits by extrapolation, infinite depth by quadrature
float      the compiled kernels against the definition in double precision
=========  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import mpmath
from sympy import Expr, Tuple

from geometry import DeepLinearNetwork

from .references import Reference
from .step import Step, plain_text, typeset, written
from .step_checks import step_residual

__all__ = ["BOUNDS", "ROUTES", "CheckResult", "Derivation", "DerivationError", "NotApplicableError", "require_metric"]

ROUTES = ("exact", "precise", "float")
BOUNDS = {"exact": 0.0, "precise": 1e-40, "float": 1e-10}
"""Largest relative error that passes: ten of fifty digits for the determinants and extrapolations;
in double precision the Gram determinants of the definition are worth ten digits."""
DIGITS = 50


class DerivationError(ArithmeticError):
    """A check failed: the derivation, the route and the step are named."""


class NotApplicableError(ValueError):
    """A theorem says nothing about the network that it was asked for."""


def require_metric(network: DeepLinearNetwork) -> None:
    """Refuse networks that a theorem on their metric says nothing about.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r.
    """
    if network.freezes_spaces:
        raise NotApplicableError(
            f"{network} has no metric: it has no limit at infinite depth, where the multiplier vanishes against null "
            "spaces; choose m = n = r, or use network.volume_density(), whose limit exists"
        )


@dataclass(frozen=True)
class CheckResult:
    """One row of the verification table."""

    name: str
    route: str
    passed: bool
    figure: float
    bound: float
    message: str = ""


@dataclass(frozen=True)
class Derivation:
    """A theorem: what is claimed, the steps that lead there, and how it is checked.

    Attributes
    ----------
    name : str
        Its key in `DERIVATIONS`.
    network : DeepLinearNetwork
    statement : str
        In words; formulas in LaTeX between dollar signs.
    steps : tuple of Step
    result : Expr or Tuple
    subject : tuple of str
        What the parts of the result are, in LaTeX; "" for an equation.
    reference : Reference
    residual : callable
        (derivation, route) to the largest relative error against the definition.
    """

    name: str
    network: DeepLinearNetwork
    statement: str
    steps: tuple[Step, ...]
    result: Any
    subject: tuple[str, ...]
    reference: Reference
    residual: Callable[[Derivation, str], float] = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        # So that a step can be checked by itself, and values of the depth and the rank be put into it.
        steps = tuple(replace(step, network=self.network) for step in self.steps)
        object.__setattr__(self, "steps", steps)

    def subs(self, values: Mapping[Any, Any] | None = None, /, **named: Any) -> Derivation:
        """The theorem derived again for another depth, rank or shape: derivation.subs(N=3), derivation.subs({r: 2}).

        Values of other symbols are put into a step, `derivation.steps[0].subs(sigma_1=2)`, or into the result, which
        is a SymPy expression.

        Raises
        ------
        ValueError
            If a symbol or name is none of the network's, the sizes make no sense, or the theorem is not in
            `DERIVATIONS`.
        NotApplicableError
            If the theorem says nothing about the new network.
        """
        from .theorems import DERIVATIONS

        if self.name not in DERIVATIONS:
            raise ValueError(f"{self.name!r} is not in DERIVATIONS, so it cannot be derived again; call what made it")
        return DERIVATIONS[self.name](self.network.subs(values, **named))

    def check(self, route: str) -> CheckResult:
        """Check every step, and the result against the definition.

        Raises
        ------
        DerivationError
            Naming the step that fails, with its residual.
        ValueError
            If the route is not "exact", "precise" or "float".
        """
        if route not in ROUTES:
            raise ValueError(f"route must be one of {', '.join(map(repr, ROUTES))}, not {route!r}")
        bound, largest = BOUNDS[route], 0.0
        with mpmath.workdps(DIGITS + 15):
            for number, step in enumerate(self.steps, 1):
                label = f"step {number} ({step.reason})"
                largest = max(largest, self._require(route, label, step_residual(step, self.network, route), bound))
            largest = max(largest, self._require(route, "against the definition", self.residual(self, route), bound))
        return CheckResult(self.name, route, True, largest, bound)

    def _require(self, route: str, what: str, residual: float, bound: float) -> float:
        if not residual <= bound:
            raise DerivationError(f"{self.name}, route {route}: {what} fails: residual {residual:.3g} > {bound:.3g}")
        return residual

    def explained_steps(self) -> Iterator[tuple[Step, Mapping[Expr, Expr]]]:
        """Each step with what it explains for the first time."""
        known: set[str] = set()
        for step in self.steps:
            yield step, {symbol: value for symbol, value in step.where.items() if str(symbol) not in known}
            known |= set(map(str, step.where))

    def latex(self) -> str:
        """The theorem with its steps, ready to paste: see `latex_derivation`."""
        from .latex_derivation import derivation_latex

        return derivation_latex(self)

    def parts(self) -> list[tuple[str, Expr]]:
        """The parts of the result, each with its subject."""
        parts = self.result if isinstance(self.result, (tuple, Tuple)) else [self.result]
        return list(zip(self.subject, parts, strict=True))

    def result_latex(self) -> list[str]:
        """The parts of the result as equations in LaTeX."""
        return [f"{subject} = {typeset(part)}" if subject else typeset(part) for subject, part in self.parts()]

    def python(self) -> str:
        """Python code that defines the symbols and the result; see `writing.as_python`, and `Step.python`."""
        from .writing import as_python

        return as_python(self)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle " + r",\quad ".join(self.result_latex()) + "$"

    def _repr_html_(self) -> str:
        from .displays import derivation_html

        return derivation_html(self)

    def __str__(self) -> str:
        lines = [f"{self.name}  [{self.network}]", "", plain_text(self.statement), ""]
        for number, (step, explained) in enumerate(self.explained_steps(), 1):
            left, right = (written(side) for side in step.sides)
            lines += [f"{number}. {step.reason}", f"     {left}", f"   = {right}"]
            lines += [f"     where {symbol} = {written(value)}" for symbol, value in explained.items()]
        results = [f"{plain_text(subject)} = " * bool(subject) + written(part) for subject, part in self.parts()]
        lines += ["", "Result: " + "\n        ".join(results), f"Source: {self.reference}"]
        return "\n".join(lines)
