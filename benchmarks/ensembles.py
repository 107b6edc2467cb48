"""A thousand 2 x 2 flows against SciPy and diffrax, and what a run of a sweep costs beside its work.

    python -m benchmarks.ensembles [--alone] [--rounds N]

The flows are those of E = ½((X_11 - 1)² + (X_22 - 1)²) to t = 50 at rtol 1e-8, from standard normal starts.  The peers
are what one would write: SciPy's DOP853 in a loop (a sample of 20, scaled up), and diffrax, vmapped, with the
singular value decomposition of 2 x 2 matrices in closed form; both take the multiplier as written, with its value on
the diagonal put in.  Seconds are the least of the rounds, in which all take turns; compile times are apart.  Ours are
kept on disk, so the first call of all, on a machine that has never made it, is printed first.  Errors are the largest
ones against our own flows at rtol 1e-12.  Processor seconds are over all threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import inf
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from sympy import Matrix, oo, symbols

from geometry import DeepLinearNetwork
from numerics import SymbolicEnergy
from numerics.batched_flows import batched_gradient_flow
from numerics.ensembles import ensemble

Array = NDArray[np.float64]

COUNT, END, RTOL = 1000, 50.0, 1e-8
SAMPLE = 20
DEPTHS = (2, 3, 10, oo)
TASKS = 200


def diagonal_energy() -> SymbolicEnergy:
    """½((X_11 - 1)² + (X_22 - 1)²)."""
    X = Matrix(2, 2, symbols("x11 x12 x21 x22", real=True))
    return SymbolicEnergy(((X[0, 0] - 1) ** 2 + (X[1, 1] - 1) ** 2) / 2, X)


# ------------------------------------------------------------------------------------------ peers


def scipy_loop(depth: Any, starts: Array) -> Array:
    """One solve_ivp after the other."""
    power = None if depth == oo else 2 / int(depth)

    def velocity(_: float, entries: Array) -> Array:
        X = entries.reshape(2, 2)
        U, sigma, Vt = np.linalg.svd(X)
        squares = sigma**2
        below = np.log(squares) if power is None else sigma**power
        gap = below[0] - below[1]
        diagonal = squares if power is None else int(depth) * sigma ** (2 - power)
        beside = (squares[0] - squares[1]) / gap if abs(gap) > 1e-9 else diagonal[0]
        weights = np.array([[diagonal[0], beside], [beside, diagonal[1]]])
        slope = np.diag(np.diag(X) - 1)
        return -(U @ (weights * (U.T @ slope @ Vt.T)) @ Vt).ravel()

    solve = partial(solve_ivp, velocity, (0, END), method="DOP853", rtol=RTOL, atol=1e-12)
    return np.array([solve(start.ravel()).y[:, -1].reshape(2, 2) for start in starts])


def diffrax_batch(depth: Any, solver: str) -> Callable[[Array], Array]:
    """All flows in lockstep, each with steps of its own length."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def decomposition(X: Any) -> tuple[Any, Any, Any]:
        a, b, c, d = X[0, 0], X[0, 1], X[1, 0], X[1, 1]
        plus, minus = jnp.arctan2(c - b, a + d), jnp.arctan2(c + b, a - d)
        near, far = jnp.hypot(a + d, c - b) / 2, jnp.hypot(a - d, c + b) / 2
        left, right = (plus + minus) / 2, (minus - plus) / 2
        U, V = (jnp.array([[jnp.cos(t), -jnp.sin(t)], [jnp.sin(t), jnp.cos(t)]]) for t in (left, right))
        return U, jnp.array([near + far, near - far]), V

    def velocity(t: Any, X: Any, _: Any) -> Any:
        U, signed, V = decomposition(X)
        sigma = jnp.maximum(jnp.abs(signed), 1e-300)
        U = U * jnp.where(signed < 0, -1.0, 1.0)
        squares = sigma**2
        below = jnp.log(squares) if depth == oo else sigma ** (2 / int(depth))
        gap = below[0] - below[1]
        diagonal = squares if depth == oo else int(depth) * sigma ** (2 - 2 / int(depth))
        equal = jnp.abs(gap) < 1e-9
        beside = jnp.where(equal, diagonal[0], (squares[0] - squares[1]) / jnp.where(equal, 1.0, gap))
        weights = jnp.array([[diagonal[0], beside], [beside, diagonal[1]]])
        slope = jnp.diag(jnp.diag(X) - 1)
        return -U @ (weights * (U.T @ slope @ V)) @ V.T

    def one(start: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            getattr(diffrax, solver)(),
            0.0,
            END,
            None,
            start,
            saveat=diffrax.SaveAt(t1=True),
            stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=1e-12),
            adjoint=diffrax.ForwardMode(),
            max_steps=None,
        ).ys[-1]

    batch = jax.jit(jax.vmap(one))
    return lambda starts: np.asarray(jax.block_until_ready(batch(starts)))


# ------------------------------------------------------------------------------------------ flows


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, processor seconds and the result of a call."""
    start, processor = perf_counter(), process_time()
    result = function()
    return perf_counter() - start, process_time() - processor, result


def flows(rounds: int, peers: bool) -> None:
    """Print a line for each depth and solver."""
    energy, starts = diagonal_energy(), np.random.default_rng(0).standard_normal((COUNT, 2, 2))
    loading = timed(lambda: batched_gradient_flow(energy, DeepLinearNetwork(2, (2, 2)), starts[:1], [0.0, END]))[0]
    print(f"the compiled program was made, or found on disk, in {loading:.1f} s")
    print(f"{COUNT} flows to t = {END:g} at rtol {RTOL:g}")
    print(f"{'depth':>5} {'solver':<22}{'compile':>10}{'seconds':>10}{'processor':>11}{'error':>10}{'over ours':>11}")
    for depth in DEPTHS:
        network = DeepLinearNetwork(depth, (2, 2))
        exact = batched_gradient_flow(energy, network, starts, [0.0, END], rtol=1e-12).matrices[:, -1]

        def ours(points: Array, network: DeepLinearNetwork = network) -> Array:
            return batched_gradient_flow(energy, network, points, [0.0, END], rtol=RTOL).matrices[:, -1]

        solvers: dict[str, tuple[Callable[[Array], Array], int]] = {"ours": (ours, COUNT)}
        if peers:
            solvers["SciPy loop, DOP853"] = partial(scipy_loop, depth), SAMPLE
            for name in ("Tsit5", "Dopri8"):
                solvers[f"diffrax vmap, {name}"] = diffrax_batch(depth, name), COUNT
        first = {name: timed(partial(solve, starts[:count]))[0] for name, (solve, count) in solvers.items()}
        best: dict[str, tuple[float, float, Any]] = dict.fromkeys(solvers, (inf, inf, None))
        for _ in range(rounds):
            for name, (solve, count) in solvers.items():
                best[name] = min(best[name], timed(partial(solve, starts[:count])), key=lambda entry: entry[0])
        for name, (_, count) in solvers.items():
            seconds, processor, found = best[name]
            scale = COUNT / count
            error = np.abs(found - exact[:count]).max()
            ratio = seconds * scale / best["ours"][0]
            print(
                f"{depth!s:>5} {name:<22}{max(0.0, first[name] - seconds):9.2f}s{seconds * scale:9.3f}s"
                f"{processor * scale:10.3f}s{error:10.1e}{ratio:11.1f}",
                flush=True,
            )


# ------------------------------------------------------------------------------------------ sweeps


def nothing(value: int) -> int:
    """A run without work."""
    return value


def sweeps() -> None:
    """Print what a run costs beside its work, on each executor."""
    print(f"\n{TASKS} runs without work: milliseconds each")

    def report(name: str, executor: Any, **options: Any) -> None:
        ensemble(nothing, range(-8, 0), executor)  # so that the workers have started
        seconds = timed(lambda: ensemble(nothing, range(TASKS), executor, progress=False, **options))[0]
        print(f"  {name:<40}{1e3 * seconds / TASKS:8.2f}")

    from tempfile import TemporaryDirectory

    with ProcessPoolExecutor(2) as pool, TemporaryDirectory() as folder:
        report("process pool", pool)
        report("process pool, with a checkpoint", pool, checkpoint=folder)
        report("process pool, all kept already", pool, checkpoint=folder)
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        print("  Dask is not installed")
        return
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        report("Dask, two worker processes", client.get_executor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    arguments = parser.parse_args()
    flows(arguments.rounds, peers=not arguments.alone)
    sweeps()


if __name__ == "__main__":
    main()
