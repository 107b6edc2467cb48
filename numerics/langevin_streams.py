"""Random numbers for many chains, so that a chain's are the same whichever others run beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .factored import random_generator

__all__ = ["ChainStreams", "chain_entropy"]

Array = NDArray[np.float64]

BLOCK_NUMBERS = 2**21
"""How many numbers are drawn at a time, over all chains: 16 MB."""
LONGEST_BLOCK = 256


def chain_entropy(seed: int | np.random.Generator) -> tuple[int, ...]:
    """What the streams of all chains grow from; a Generator is drawn from, and so gives other chains each time.

    Raises
    ------
    ValueError
        If the seed is neither a non-negative integer nor a Generator.
    """
    generator = random_generator(seed)
    if isinstance(seed, np.random.Generator):
        return tuple(int(word) for word in generator.integers(2**32, size=4))
    return (int(seed),)


class ChainStreams:
    """Independent streams, one for each chain, numbered by the chain.

    Parameters
    ----------
    entropy : tuple of int
        Of `chain_entropy`.
    chains : iterable of int
        The numbers of the chains.
    """

    def __init__(self, entropy: Sequence[int], chains: Iterable[int]) -> None:
        sequences = [np.random.SeedSequence(entropy, spawn_key=(chain,)).spawn(2) for chain in chains]
        self._normal = [np.random.Generator(np.random.PCG64(pair[0])) for pair in sequences]
        self._uniform = [np.random.Generator(np.random.PCG64(pair[1])) for pair in sequences]

    def steps(self, count: int, shape: tuple[int, ...], uniform: bool) -> Iterator[tuple[Array, Array]]:
        """For each of `count` steps standard normal numbers (chains, *shape), and uniform ones (chains,) if wanted."""
        numbers = max(1, int(np.prod(shape))) * len(self._normal)
        longest = int(np.clip(BLOCK_NUMBERS // numbers, 1, LONGEST_BLOCK))
        while count:
            length = min(count, longest)
            normal = np.stack([stream.standard_normal((length, *shape)) for stream in self._normal], axis=1)
            even = np.zeros((length, 0))
            if uniform:
                even = np.stack([stream.random(length) for stream in self._uniform], axis=1)
            yield from zip(normal, even, strict=True)
            count -= length
