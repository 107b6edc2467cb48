"""The folder in which an ensemble keeps its results: one file for each, written in full or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .stored_values import StoredValueError, read_values, write_values

__all__ = ["EnsembleStore"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EnsembleStore:
    """Results by key.

    Files that are damaged are moved aside, to `….damaged`, and their results computed again.  A session that
    is killed while it writes leaves a hidden `.dln-….tmp` behind, which can be removed.

    Parameters
    ----------
    folder : path
        Made if it does not exist; several ensembles and sessions can share it.
    save : callable, optional
        Turns a result into something that can be stored (see `stored_values`).
    load : callable, optional
        Turns that back into the result.
    """

    folder: Path
    save: Callable[[Any], Any] | None = None
    load: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the result of a key is kept."""
        return self.folder / f"{key}.npz"

    def keep(self, key: str, result: Any) -> None:
        """Write a result.

        Raises
        ------
        TypeError
            If it cannot be stored.
        OSError
            If it cannot be written.
        """
        try:
            write_values(self.path(key), result if self.save is None else self.save(result), key)
        except TypeError as error:
            raise TypeError(
                f"a result cannot be kept in {self.folder}: {error}; return something that can, or give save=…, load=…"
            ) from error

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether a sound result is kept under a key, and the result."""
        path = self.path(key)
        try:
            value = read_values(path, key)
            return True, value if self.load is None else self.load(value)
        except FileNotFoundError:
            return False, None
        except StoredValueError as error:
            logger.warning("%s; moved to %s, and computed again", error, self._set_aside(path).name)
            return False, None

    def _set_aside(self, path: Path) -> Path:
        count = 0
        while (aside := path.with_name(f"{path.name}.damaged{count or ''}")).exists():
            count += 1
        os.replace(path, aside)
        return aside
