"""Peer: gradient descent on full layers in PyTorch, as in the deep matrix factorization experiments of 2019.

Square linear layers without bias, the loss over the observed entries, autograd, a fixed learning rate (Arora, Cohen,
Hu, Luo, arXiv 1905.13655).  It has no error control, so its figure is the time until the loss has dropped as far as
that of the flow's end, at the best learning rate of a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib.util import find_spec
from time import perf_counter

import numpy as np

from .problem import CompletionProblem, Outcome, TimeLimitError

__all__ = ["gradient_descent", "torch_installed"]


def torch_installed() -> bool:
    """Whether PyTorch can be imported."""
    return find_spec("torch") is not None


def gradient_descent(problem: CompletionProblem, loss: float, limit: float) -> Callable[[float], Outcome]:
    """solve(learning rate): descend until the loss is `loss`."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    torch.set_num_threads(1)
    energy = problem.energy
    rows, columns = torch.from_numpy(energy.rows), torch.from_numpy(energy.columns)
    values = torch.from_numpy(energy.values)
    start = problem.layers(max(energy.shape))

    def solve(learning_rate: float) -> Outcome:
        deadline = perf_counter() + limit
        layers = [torch.tensor(W, requires_grad=True) for W in start]
        optimizer = torch.optim.SGD(layers, learning_rate)
        steps = 0
        while True:
            product = reduce(lambda product, W: W @ product, layers)
            value = (product[rows, columns] - values).square().sum() / 2
            if value.item() <= loss:
                return Outcome(product.detach().numpy(), steps + 1, detail={"learning rate": learning_rate})
            if not np.isfinite(value.item()):
                raise RuntimeError(f"learning rate {learning_rate:g} diverges")
            if perf_counter() > deadline:
                raise TimeLimitError(f"the loss is {value.item():.3g} after {limit:g} s")
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            steps += 1

    return solve
