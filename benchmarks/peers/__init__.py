"""What a user would take instead of this toolkit, one peer a file, and the toolkit itself called in the same way.

Each is a function `prepare(problem, limit)`, which compiles what can be compiled, and returns `solve(tolerance)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from .factored_chart import factored_diffrax, factored_scipy
from .layers_diffrax import full_layers as full_diffrax
from .layers_diffrax import thin_layers as thin_diffrax
from .layers_scipy import full_layers as full_scipy
from .layers_scipy import thin_layers as thin_scipy
from .problem import CompletionProblem, Outcome, TimeLimitError, completion_problem
from .toolkit import toolkit

__all__ = ["OURS", "PEERS", "CompletionProblem", "Outcome", "Solver", "TimeLimitError", "completion_problem"]

Solve = Callable[[float], Outcome]


@dataclass(frozen=True)
class Solver:
    """A way of solving a completion problem.

    Attributes
    ----------
    family : str
        The column of the table; the best of a family is shown.
    name : str
        What distinguishes it within the family.
    prepare : callable
        (problem, limit in seconds) → solve; solve(rtol) → Outcome.
    needs : str
        The package without which it is "not installed"; empty for none.
    has_layers : bool
        Whether it needs layers, which there are none of at infinite depth.
    """

    family: str
    name: str
    prepare: Callable[[CompletionProblem, float], Solve]
    needs: str = ""
    has_layers: bool = True

    @property
    def installed(self) -> bool:
        """Whether its package can be imported."""
        return not self.needs or find_spec(self.needs) is not None

    def applies(self, problem: CompletionProblem) -> bool:
        """Whether it can solve the problem at all."""
        return not (self.has_layers and problem.infinitely_deep)


def _ours(chart: str, engine: str, method: str | None = None, needs: str = "") -> Solver:
    name = f"{chart}, {engine}" + (f" {method}" if method else "")
    has_layers = chart == "layers"
    return Solver(
        "this", name, lambda problem, limit: toolkit(problem, chart, engine, method, limit), needs, has_layers
    )


OURS = (
    _ours("auto", "auto"),
    _ours("factored", "scipy", "BDF"),
    _ours("factored", "scipy", "LSODA"),
    _ours("factored", "scipy", "DOP853"),
    _ours("factored", "sundials", needs="sksundae"),
    _ours("factored", "diffrax", needs="diffrax"),
    _ours("layers", "scipy", "DOP853"),
    _ours("layers", "auto"),
    _ours("layers", "sundials", needs="sksundae"),
)
"""The toolkit's own configurations; the first is what a user gets who chooses nothing."""


def _peers() -> tuple[Solver, ...]:
    scipy = [("DOP853", "DOP853"), ("LSODA", "LSODA")]
    diffrax = [(method, controller) for method in ("Tsit5", "Dopri8") for controller in ("I", "PI")]
    return (
        *(Solver("thin layers, SciPy", name, partial(_with, thin_scipy, method=method)) for name, method in scipy),
        *(
            Solver(
                "thin layers, diffrax",
                f"{method}, {controller}, {gradient}",
                partial(_with, thin_diffrax, method=method, controller=controller, gradient=gradient),
                "diffrax",
            )
            for gradient in ("dense", "sparse")
            for method, controller in diffrax
            if gradient == "dense" or controller == "I"
        ),
        *(Solver("full layers, SciPy", name, partial(_with, full_scipy, method=method)) for name, method in scipy[:1]),
        *(
            Solver(
                "full layers, diffrax",
                f"{method}, {controller}",
                partial(_with, full_diffrax, method=method, controller=controller),
                "diffrax",
            )
            for method, controller in diffrax
            if controller == "I"
        ),
        *(
            Solver("factored chart, SciPy", name, partial(_with, factored_scipy, method=method), has_layers=False)
            for name, method in scipy
        ),
        *(
            Solver(
                "factored chart, diffrax",
                f"{method}, {controller}",
                partial(_with, factored_diffrax, method=method, controller=controller),
                "diffrax",
                has_layers=False,
            )
            for method, controller in diffrax
        ),
    )


def _with(prepare: Callable[..., Solve], problem: CompletionProblem, limit: float, **options: str) -> Solve:
    return prepare(problem, limit=limit, **options)


PEERS = _peers()
"""What is taken instead."""
