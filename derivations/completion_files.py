"""Where `dln complete` writes: four files that appear together, and replace nothing unasked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CompletionFiles"]

OTHER_SUFFIXES = (".npz", ".npy", ".mtx", ".json", ".png")
"""Names that promise what is not written."""


@dataclass(frozen=True)
class CompletionFiles:
    """The completed matrix, its singular values, a picture, and an account of the run.

    Parameters
    ----------
    matrix : Path
        A CSV file; the others stand beside it and are named after it.
    makes_folder : bool
        Whether their folder is made where it does not exist.
    """

    matrix: Path
    makes_folder: bool = False

    @classmethod
    def at(cls, output: Path) -> CompletionFiles:
        """For a CSV file, or for a folder: one that exists, or a name without a suffix.

        Raises
        ------
        ValueError
            If the name is that of another kind of file.
        """
        if output.suffix.lower() in OTHER_SUFFIXES and not output.is_dir():
            raise ValueError(f"{output}: the completed matrix is written as CSV; name a .csv file, or a folder")
        folder = output.is_dir() or (not output.suffix and not output.is_file())
        return cls(output / "completed.csv", makes_folder=True) if folder else cls(output)

    @property
    def singular_values(self) -> Path:
        """Of the fit less the mean, as CSV."""
        return self.matrix.with_name(f"{self.matrix.stem}-singular-values.csv")

    @property
    def picture(self) -> Path:
        """A PNG file."""
        return self.matrix.with_suffix(".png")

    @property
    def account(self) -> Path:
        """What was run, and how good it is, as JSON."""
        return self.matrix.with_suffix(".json")

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return self.matrix, self.singular_values, self.picture, self.account

    def check(self, overwrite: bool) -> None:
        """Refuse before a long run what would be refused after it.

        Raises
        ------
        FileExistsError
            If one of the files exists and is not to be replaced.
        FileNotFoundError
            If there is no place for their folder.
        """
        for path in self.paths:
            if path.exists() and not path.is_file():
                raise FileExistsError(f"{path} exists and is not a regular file; choose another name")
            if path.exists() and not overwrite:
                raise FileExistsError(f"{path} exists; choose another name, or --overwrite")
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"{folder} exists and is no folder; choose another name")
        needed = folder.parent if self.makes_folder else folder
        if not needed.is_dir():
            raise FileNotFoundError(f"the folder {needed} does not exist; create it first")

    @property
    def _folder(self) -> Path:
        return Path(os.path.realpath(self.matrix.parent))

    @contextmanager
    def drafts(self, overwrite: bool) -> Iterator[CompletionFiles]:
        """Files of the same names in a folder of their own, moved in place when all are written."""
        beside = self._folder if self._folder.is_dir() else self._folder.parent
        work = Path(tempfile.mkdtemp(prefix=".dln-", suffix=".tmp", dir=beside))
        try:
            yield CompletionFiles(work / self.matrix.name)
            self.check(overwrite)
            self._folder.mkdir(exist_ok=True)
            for path in self.paths:
                # Through links, so that it is their target that is replaced.
                os.replace(work / path.name, os.path.realpath(path))
        finally:
            shutil.rmtree(work, ignore_errors=True)
