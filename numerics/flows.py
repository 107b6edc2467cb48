r"""Gradient flows dX/dt = -A_N(∇E(X)) of deep linear networks (A_N/N for rescaled ones).

The flow is stiff: it starts near a saddle, leaves it slowly, and relaxes at rates that differ by the
multipliers.  So the solver changes to an implicit one where steps are limited by stability, and absolute
tolerances follow the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .charts import CHARTS, Chart, LayersChart, layers_are_cheaper
from .compilation import compiles
from .content_keys import content_key
from .convergence import Convergence, as_convergence
from .energies import Energy
from .energies.user_functions import as_energy
from .factored import FactoredMatrix
from .flow_checkpoints import Checkpoints
from .flow_errors import FlowError, FrozenSpacesWarning, ProjectedFlowWarning, warn_of_restrictions
from .flow_events import Crossing, Escape, FlowEvent, RankLoss
from .flow_run import FlowRun, Recording
from .layers import Layers
from .network_kernels import explicit_shape
from .solvers import DIFFRAX_METHODS, ENGINES, METHODS, default_method
from .trajectory import Trajectory

__all__ = ["Convergence", "FlowError", "FrozenSpacesWarning", "ProjectedFlowWarning", "gradient_flow"]

Array = NDArray[np.float64]
Progress = Callable[[float, float], None]

SMALLEST_RTOL = 100 * np.finfo(float).eps
"""Below this SciPy's solvers silently use it instead."""
COMPILE_AFTER = 5000.0
"""Evaluations after which a velocity is compiled: about as long as compiling takes."""
ENGINE_METHODS = {
    "auto": (),
    "scipy": tuple(METHODS),
    "sundials": ("CVODE",),
    "diffrax": DIFFRAX_METHODS,
}


def gradient_flow(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Layers,
    times: ArrayLike | None = None,
    *,
    chart: str = "auto",
    engine: str = "auto",
    rtol: float = 1e-8,
    atol: float | None = None,
    until: Convergence | Mapping[str, float] | float | None = None,
    method: str | None = None,
    events: Sequence[FlowEvent] = (),
    keep: int | None = None,
    compiled: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    max_steps: int = 1_000_000,
    progress: Progress | None = None,
) -> Trajectory:
    r"""Integrate dX/dt = -A_N(∇E(X)), the gradient flow of E in the metric g^N.

    Parameters
    ----------
    energy : Energy
        E; the flow is that of E as it is, so scale the data to norm about 1.  An object of one's own needs `shape`,
        a value, as a call or a method `value(X)`, and `gradient(X)`.
    network : DeepLinearNetwork
        Of integer or infinite depth.  Rescaled networks (always at depth oo) flow with A_N/N.
    start : FactoredMatrix or Layers
        X at times[0], of the network's shape and rank; or the layers, balanced or not.
    times : array (T,), optional
        Increasing; where the trajectory is wanted.  Without them it has all steps from t = 0 until
        convergence.
    chart : {"auto", "factored", "spectral", "matrix", "layers"}
        "auto" takes the layers where the start is one of layers, or where they are thin and few and the velocity is
        compiled at once, and U S Vᵀ otherwise.  At finite depth "layers" keeps more digits of singular values that
        stay small beside large ones: 1e-7 where U S Vᵀ was seen to leave 1e-3, from 1e-8 at full rank.
    engine : {"auto", "scipy", "sundials", "diffrax"}
        "auto" begins with SciPy's explicit DOP853 and changes, where its steps come up against its stability, to CVODE
        of SUNDIALS (extra `stiff`), or where that is not installed to SciPy's BDF, below rtol 1e-9 Radau.
        "diffrax" (extra `jax`) takes the factored chart only.  What was chosen is in `statistics.choices`.
    rtol : float
        Relative tolerance of each step, not of the result.
    atol : float, optional
        Absolute tolerance of all coordinates.  Unless given it follows the start: rtol times the
        smallest singular value, so that escape times from small starts come out right.
    until : Convergence, mapping of its fields, or float, optional
        When to stop; a float is a bound on the gradient norm.
    method : str, optional
        A solver of the engine: "BDF", "Radau", "LSODA", "DOP853", "RK45" of SciPy; "CVODE"; "Dopri8", "Tsit5",
        "Dopri5" of Diffrax.  Unless given SciPy's is BDF, and Radau for rtol below 1e-9: its
        global error stays near the tolerance, where that of BDF is a thousand times it.
    events : sequence of Escape, RankLoss or Crossing
        What to record when it happens; see `flow_events`.
    keep : int, optional
        Without times, the most points to keep: steps are thinned out as they become more.
    compiled : bool, optional
        Whether to compile the velocity at once (extra `compiled`), which takes seconds; unless given that is done
        after some thousand evaluations, and with a checkpoint at once.
    checkpoint : path, optional
        A file to save the run in; where it exists, the run goes on from there, to the same result.
    checkpoint_every : int
        Steps between two checkpoints.
    max_steps : int
        Accepted steps before the run is given up.
    progress : callable, optional
        Called after each step with (time, last time or inf).

    Returns
    -------
    Trajectory

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it.
    SpectralCrossingError
        Where singular values cross in the spectral chart.
    FlowError
        If the solver fails, with the time and the state.

    Warns
    -----
    FrozenSpacesWarning
        At infinite depth unless m = n = r: the flow runs within the spaces it starts in.
    ProjectedFlowWarning
        At depth 1 and r < min(m, n), where the flow of X would leave the rank-r matrices.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from numerics import MatrixCompletion, balanced_start
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.5, 0.25]])
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> trajectory = gradient_flow(energy, network, balanced_start(network), until=1e-6)
    >>> trajectory.converged, bool(trajectory.energy[-1] < 1e-10)
    (True, True)
    """
    energy = as_energy(energy)
    _validate(energy, network, start, chart, engine, method, rtol, atol, keep, max_steps, events)
    grid, goal = _grid(times), as_convergence(until)
    if grid is None and goal is None:
        raise ValueError("give times, or until=... to integrate to convergence")
    warn_of_restrictions(network)
    compile_at_once = checkpoint is not None if compiled is None else compiled
    chart, reason = _chosen_chart(chart, energy, network, start, compile_at_once)
    coordinates = _chart(chart, energy, network, start)
    if method is None:
        method, chooses = default_method(engine, rtol), engine == "auto"
    else:
        chooses = False
    begin = 0.0 if grid is None else float(grid[0])
    compile_after = 0.0 if compile_at_once else np.inf if compiled is False else COMPILE_AFTER
    run = FlowRun(
        coordinates,
        method,
        rtol,
        atol,
        begin,
        chooses,
        compile_after,
        tuple(events),
        changes=[reason, f"{method} at first"],
    )
    recording = Recording([] if grid is None else grid[1:].tolist(), grid is None, keep)
    saved = None
    if checkpoint is not None:
        identity = _identity(
            energy, network, coordinates, grid, [chart, engine, method, rtol, atol, keep, checkpoint_every], events
        )
        saved = Checkpoints(checkpoint, checkpoint_every, identity)
    if saved is None or not saved.resume(run, recording):
        recording.add(begin, coordinates, run.coordinates, coordinates.start)
    end = float(grid[-1]) if grid is not None else (goal.latest if goal else np.inf)
    converged = run.integrate(recording, end, goal, max_steps, progress, saved.after_step if saved else None)
    return _trajectory(run, recording, chart, converged)


def _trajectory(run: FlowRun, recording: Recording, chart: str, converged: bool | None) -> Trajectory:
    layers: tuple[Layers, ...] = ()
    if isinstance(run.chart, LayersChart):
        layers = tuple(run.chart.layers(coordinates) for coordinates in recording.coordinates)
    return Trajectory(
        np.array(recording.times),
        tuple(recording.points),
        run.chart.energy,
        run.chart.network,
        chart,
        run.statistics(),
        converged,
        run.records(),
        layers,
    )


def _chosen_chart(
    chart: str, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix | Layers, compile_at_once: bool
) -> tuple[str, str]:
    """The name of the chart, and why."""
    if chart != "auto":
        return chart, f"chart {chart!r} as asked for"
    if isinstance(start, Layers):
        return "layers", "chart 'layers', since the start is one of layers"
    if compile_at_once and compiles() and layers_are_cheaper(energy, network, start):
        return "layers", "chart 'layers', of hidden width r: compiled, its velocities take least"
    return "factored", "chart 'factored': a velocity costs the same at every depth, and no singular value is special"


def _chart(name: str, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix | Layers) -> Chart:
    if isinstance(start, Layers):
        if name != "layers":
            raise ValueError(f"a start of Layers needs chart='layers', not {name!r}; or start from their product()")
        return LayersChart(energy, network, start)
    return CHARTS[name](energy, network, start)


def _identity(
    energy: Energy,
    network: DeepLinearNetwork,
    chart: Chart,
    grid: Array | None,
    settings: list[object],
    events: Sequence[FlowEvent],
) -> dict[str, str]:
    """What distinguishes a run from others: what it starts from, what it is asked, and the energy by its start."""
    coordinates = chart.coordinates(chart.start)
    identity = {
        "network": repr(network),
        "start": coordinates,
        "times": grid,
        "settings": settings,
        "events": [repr(event) for event in events],
        "energy": [energy(chart.start), chart.velocity(0.0, coordinates)],
    }
    return {name: content_key(value) for name, value in identity.items()}


def _validate(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Layers,
    chart: str,
    engine: str,
    method: str | None,
    rtol: float,
    atol: float | None,
    keep: int | None,
    max_steps: int,
    events: Sequence[FlowEvent],
) -> None:
    shape = explicit_shape(network)
    if not isinstance(energy, Energy):
        raise TypeError(
            f"energy must have a shape, a value and a gradient, not be {energy!r}; for plain functions see UserEnergy"
        )
    if not isinstance(start, FactoredMatrix | Layers):
        raise TypeError(
            f"start must be a FactoredMatrix or Layers, not {type(start).__name__}; see FactoredMatrix.from_matrix"
        )
    if isinstance(start, FactoredMatrix):
        _validate_point(network, shape, start)
    if tuple(energy.shape) != shape:
        raise ValueError(f"energy must have the network's shape {shape}, not {tuple(energy.shape)}")
    for name, value, known in (("chart", chart, ("auto", *CHARTS)), ("engine", engine, ENGINES)):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
    methods = ENGINE_METHODS[engine] or tuple(METHODS)
    if method is not None and method not in methods:
        raise ValueError(f"method must be one of {', '.join(map(repr, methods))}, not {method!r}")
    if not _is_number(rtol) or not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol must be a number between {SMALLEST_RTOL:.1e} and 1, not {rtol!r}")
    if atol is not None and not (_is_number(atol) and np.isfinite(atol) and atol > 0):
        raise ValueError(f"atol must be one positive, finite number for all coordinates, not {atol!r}")
    if not isinstance(max_steps, int | np.integer) or max_steps < 1:
        raise ValueError(f"max_steps must be a positive integer, not {max_steps!r}")
    if keep is not None and not (isinstance(keep, int | np.integer) and keep >= 2):
        raise ValueError(f"keep must be at least 2, the start and the end, not {keep!r}")
    if isinstance(events, Escape | RankLoss | Crossing):
        raise TypeError(f"events must be a sequence of events, not one; write events=[{events!r}]")
    if not isinstance(events, Sequence):
        raise TypeError(f"events must be a sequence of events, not {events!r}; leave it out for none")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _validate_point(network: DeepLinearNetwork, shape: tuple[int, int], start: FactoredMatrix) -> None:
    if start.shape != shape or start.rank != network.coframe.rank:
        raise ValueError(
            f"start must have the network's shape {shape} and rank {network.rank}, not {start.shape} and {start.rank}"
        )
    if not start.singular_values[-1] > 0:
        raise ValueError("start must have positive singular values; a zero one never grows at depth 2 and beyond")


def _grid(times: ArrayLike | None) -> Array | None:
    if times is None:
        return None
    try:
        grid = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"times must be at least two finite, increasing numbers, not {times!r}") from error
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"times must be at least two finite, increasing numbers, not {times!r}")
    return grid
