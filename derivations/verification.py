"""The verification table: every theorem by every route, on a few networks."""

from __future__ import annotations

import json
import logging
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from geometry import DeepLinearNetwork

from .derivation import BOUNDS, ROUTES, CheckResult, DerivationError, NotApplicableError
from .standard_networks import standard_networks
from .theorems import DERIVATIONS, THEOREMS

__all__ = ["Verification", "verified_networks", "verify", "versions"]

logger = logging.getLogger(__name__)


def verified_networks(name: str) -> tuple[DeepLinearNetwork, ...]:
    """The networks on which one theorem is verified."""
    own = getattr(THEOREMS[name], "networks", None)
    return standard_networks() if own is None else own()


@dataclass(frozen=True)
class Verification:
    """A table of check results; true where all passed."""

    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(result.passed for result in self.results)

    def __bool__(self) -> bool:
        return self.passed

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __str__(self) -> str:
        rows = [f"{'theorem':<44} {'route':<8} {'':<6} {'figure':>9} {'bound':>9}"]
        for result in self.results:
            status = "passed" if result.passed else "FAILED"
            rows.append(f"{result.name:<44} {result.route:<8} {status} {result.figure:9.1e} {result.bound:9.1e}")
            if result.message:
                rows.append(f"    {result.message}")
        return "\n".join(rows)

    def to_json(self, seed: int = 0) -> dict[str, Any]:
        """The content of verification.json."""
        return {
            "checks": [
                {
                    "name": result.name,
                    "route": result.route,
                    "passed": result.passed,
                    # JSON has no infinity, the figure of a check that could not be run.
                    "figure": result.figure if math.isfinite(result.figure) else None,
                    "bound": result.bound,
                    **({"message": result.message} if result.message else {}),
                }
                for result in self.results
            ],
            "versions": versions(),
            "seed": seed,
        }

    def write(self, path: Path | str, seed: int = 0) -> None:
        """Write verification.json."""
        Path(path).write_text(json.dumps(self.to_json(seed), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions of the project and of what it computes with."""
    found = {"python": platform.python_version()}
    for package in ("dln-geometry", "sympy", "mpmath", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def verify(
    names: Sequence[str] | None = None,
    routes: Sequence[str] | None = None,
    networks: Sequence[DeepLinearNetwork] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Verification:
    """Check theorems by the given routes; nothing is raised for a check that fails.

    Parameters
    ----------
    names : sequence of str, optional
        Keys of `DERIVATIONS`; all of them unless given.
    routes : sequence of str, optional
        Of "exact", "precise", "float"; all of them unless given.
    networks : sequence of DeepLinearNetwork, optional
        Those that each theorem names, else `standard_networks()`, unless given.
    progress : callable, optional
        Called with the name of each check and the share done.

    Raises
    ------
    ValueError
        If a name or a route is unknown.

    Examples
    --------
    >>> from sympy import oo
    >>> from geometry import DeepLinearNetwork
    >>> table = verify(["multiplier"], ["exact"], [DeepLinearNetwork(oo, (2, 2))])
    >>> table.passed, len(table)
    (True, 1)
    """
    names = tuple(DERIVATIONS) if names is None else tuple(names)
    routes = ROUTES if routes is None else tuple(routes)
    for kind, given, known in (("theorem", names, tuple(DERIVATIONS)), ("route", routes, ROUTES)):
        for name in given:
            if name not in known:
                raise ValueError(f"unknown {kind} {name!r}; there are {', '.join(known)}")
    jobs = [
        (name, network, route)
        for name in names
        for network in (verified_networks(name) if networks is None else networks)
        for route in routes
    ]
    results = []
    for number, (name, network, route) in enumerate(jobs):
        if progress is not None:
            progress(f"{name} ({route})", number / len(jobs))
        result = _result(name, network, route)
        results += [result] if result else []
    return Verification(tuple(results))


def _result(name: str, network: DeepLinearNetwork, route: str) -> CheckResult | None:
    """The result of a check; None where the theorem says nothing about the network."""
    m, n = network.shape
    field = f", {network.field}" if network.coframe.dyson_index > 1 else ""
    rescaled = ", rescaled" if network.rescaled else ""
    label = f"{name} [N={network.depth}, {m}x{n}, r={network.rank}{field}{rescaled}]"
    try:
        result = DERIVATIONS[name](network).check(route)
    except NotApplicableError:
        return None
    except (ArithmeticError, ValueError, TypeError) as error:
        if not isinstance(error, DerivationError):
            logger.exception("%s could not be derived", label)
        return CheckResult(label, route, False, float("inf"), BOUNDS[route], str(error))
    return CheckResult(label, route, True, result.figure, result.bound)
