"""Times of emitted kernels, of NumPy written by hand for the same accuracy, and of SymPy's lambdify.

    python -m benchmarks.kernels [--backends numpy numba jax] [--rounds 7]

A batch of 10^5 spectra of rank 8: the 8 x 8 matrices of multipliers, and log √det g, at depths 2, 3, 10 and ∞; and one
multiplier on a 5 x 5 grid. Times are of the process (give it one core: `taskset -c 0`), alternating in one run, compile
time apart. Lambdify gets the quotient as on paper, which is wrong near coalescence; "cse" is its option, "plain" is
without. The hand-written functions know that h_n = Σ x^i y^j has no cancellation, work in blocks and in place, and are
what an expert would write for one depth; their log density sums in working precision, which at sizes far from 1 is up
to 32 ulps of its largest term off, where the emitted one is off by the rounding of the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import accumulate, combinations
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from sympy import Expr, Matrix, lambdify, oo

from geometry import DeepLinearNetwork, compile_kernel, explicit

RANK, SPECTRA, BLOCK = 8, 100_000, 16384
DEPTHS = (2, 3, 10, oo)
Array = np.ndarray[Any, np.dtype[np.float64]]
Function = Callable[..., Any]


# ------------------------------------------------------------------------------------ written by hand


def roots(sigma: Array, depth: Any) -> tuple[Array, ...]:
    """The powers of single singular values that the sums h_n are made of."""
    if depth == 2 or depth == oo:
        return ()
    if depth == 3:
        root = np.cbrt(sigma)
        return (root * root, sigma * root, root)
    # 0.2 is off by 1.1e-17: corrected to first order, like the other two powers to one rounding.
    fifth = sigma**0.2 * (1.0 - 1.1102230246251566e-17 * np.log(sigma))
    fourth = sigma / fifth
    return (fifth, np.sqrt(fourth), fourth)


def multiplier_by_hand(depth: Any) -> Function:
    """All multipliers, (8, 8, n) in memory."""

    def block_of(sigma: Array, out: Array) -> None:
        powers = roots(sigma, depth)
        for k in range(RANK):
            a = sigma[k]
            diagonal = out[k, k]
            if depth == oo:
                np.multiply(a, a, out=diagonal)
            elif depth == 2:
                np.multiply(a, 2.0, out=diagonal)
            elif depth == 3:
                np.multiply(powers[1][k], 3.0, out=diagonal)
            else:
                np.multiply(powers[2][k], a, out=diagonal)
                diagonal *= 10.0
        for k, l in combinations(range(RANK), 2):
            a, b, entry = sigma[k], sigma[l], out[k, l]
            if depth == 2:
                np.add(a, b, out=entry)
            elif depth == 3:
                np.multiply(powers[0][k], powers[0][l], out=entry)
                entry += powers[1][k] + powers[1][l]
            elif depth == oo:
                high, low = np.maximum(a, b), np.minimum(a, b)
                high -= low
                np.divide(high, low, out=low)
                np.log1p(low, out=low)
                equal = low == 0
                if equal.any():
                    high, low = np.where(equal, a, high), np.where(equal, 1.0, low)
                high /= low
                np.add(a, b, out=entry)
                entry *= high
                entry *= 0.5
            else:
                product = powers[0][k] * powers[0][l]
                np.add(powers[1][k], powers[1][l], out=entry)
                entry += product
                entry *= product
                entry += powers[2][k] + powers[2][l]
                entry *= a + b
            out[l, k] = entry

    def evaluate(*columns: Array) -> Array:
        out = np.empty((RANK, RANK, len(columns[0])))
        with np.errstate(all="ignore"):
            for start in range(0, len(columns[0]), BLOCK):
                block = slice(start, start + BLOCK)
                block_of(np.stack([column[block] for column in columns]), out[:, :, block])
        return np.moveaxis(out, -1, 0)

    return evaluate


def density_by_hand(depth: Any) -> Function:
    """log √det g from the product of the differences, its exponent apart; the singular values are decreasing.

    A difference of two of them is the sum of the differences of neighbours between them.
    """

    def difference(sigma: Array, powers: tuple[Array, ...], k: int, l: int) -> Array:
        a, b = sigma[k], sigma[l]
        if depth == 2:
            return a - b
        if depth == oo:
            high, low = np.maximum(a, b), np.minimum(a, b)
            high -= low
            high /= low
            return np.log1p(high, out=high)
        if depth == 3:
            square, _, root = powers
            h = root[k] * root[l]
            h += square[k] + square[l]
            quotient = a - b
            quotient /= h
            quotient *= root[k] + root[l]
            return quotient
        first, second, fourth = powers
        product = first[k] * first[l]
        h = second[k] + second[l]
        h += product
        h *= product
        h += fourth[k] + fourth[l]
        quotient = a - b
        quotient /= h
        return quotient

    def logarithm(factors: list[Array]) -> Array:
        mantissa, exponent = np.frexp(factors[0])
        for factor in factors[1:]:
            part, shift = np.frexp(factor)
            mantissa *= part
            exponent += shift
        return np.log(np.abs(mantissa)) + exponent * np.log(2.0)

    power = -1.0 if depth == oo else 1.0 / depth - 1.0
    constant = 28 * np.log(2.0) if depth == oo else -RANK / 2 * np.log(depth)

    def evaluate(*columns: Array) -> Array:
        out = np.empty(len(columns[0]))
        with np.errstate(all="ignore"):
            for start in range(0, len(out), BLOCK):
                block = slice(start, start + BLOCK)
                sigma = np.stack([column[block] for column in columns])
                powers = roots(sigma, depth)
                steps = [difference(sigma, powers, k, k + 1) for k in range(RANK - 1)]
                total = logarithm([length for k in range(RANK - 1) for length in accumulate(steps[k:])])
                total += power * logarithm(list(sigma))
                out[block] = total + constant
        return out

    return evaluate


# ------------------------------------------------------------------------------------------ measuring


def alternating(functions: dict[str, Function], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """The median time of each, called in turns."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if round_:  # the first round compiles and warms up
                times[name].append(clock() - start)
    return {name: median(values) for name, values in times.items()}


def candidates(expression: Expr | Matrix, by_hand: Function, symbols: Any, backends: list[str]) -> dict[str, Function]:
    """The functions to compare, by name."""
    paper = expression.applyfunc(explicit) if isinstance(expression, Matrix) else explicit(expression)
    return {
        **{name: compile_kernel(expression, symbols, name) for name in backends},
        "by hand": by_hand,
        "lambdify, cse": lambdify(symbols, paper, "numpy", cse=True),
        "lambdify, plain": lambdify(symbols, paper, "numpy"),
    }


def batches(backends: list[str], rounds: int) -> None:
    """The two tables of large batches, in milliseconds."""
    sigma = np.sort(np.random.default_rng(0).uniform(0.1, 2.0, (RANK, SPECTRA)), axis=0)[::-1].copy()
    for what, by_hand in (("multipliers", multiplier_by_hand), ("log density", density_by_hand)):
        header = True
        for depth in DEPTHS:
            network = DeepLinearNetwork(depth, (RANK, RANK))
            expression = Matrix(RANK, RANK, network.multiplier)
            if what == "log density":
                expression = network.log_volume_density()
            functions = candidates(expression, by_hand(depth), network.singular_values, backends)
            reference = np.asarray(functions["by hand"](*sigma))
            assert np.allclose(np.asarray(functions[backends[0]](*sigma)), reference, rtol=1e-13)
            times = alternating(
                {name: lambda f=function: f(*sigma) for name, function in functions.items()}, rounds, process_time
            )
            if header:
                print(f"\n{what}, ms".ljust(24) + "".join(f"{name:>17}" for name in times) + f"{'to by hand':>13}")
                header = False
            ratio = times[backends[0]] / times["by hand"]
            print(f"depth {depth}".ljust(23) + "".join(f"{t * 1e3:17.1f}" for t in times.values()) + f"{ratio:13.2f}")


def small_calls(backends: list[str]) -> None:
    """One multiplier on a grid of 5 x 5, in microseconds."""
    x = np.linspace(1.0, 2.0, 5)
    print("\none call, 5 x 5, µs".ljust(24) + "".join(f"{name:>17}" for name in backends))
    for depth in DEPTHS:
        network = DeepLinearNetwork(depth, (2, 2))
        row = f"depth {depth}".ljust(23)
        for name in backends:
            kernel = compile_kernel(network.multiplier(0, 1), network.singular_values, name)
            thousand = {name: lambda k=kernel: [k(x[:, None], x) for _ in range(1000)]}
            row += f"{alternating(thousand, 5, perf_counter)[name] * 1e3:17.1f}"
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["numpy"], help="the first is compared with the one by hand")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    batches(options.backends, options.rounds)
    small_calls(options.backends)


if __name__ == "__main__":
    main()
