"""The book as a file: derived, checked, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .book import book_source, check_all, derive_all, read_checks
from .derivation import CheckResult
from .latex_compilation import compile_latex, overfull_boxes, pdflatex

__all__ = ["BookSummary", "write_book"]

CHECKING = 0.8
"""The share of the time that the checks take."""


@dataclass(frozen=True)
class BookSummary:
    """What was written.

    Attributes
    ----------
    path : Path
    theorems : int
    checks : tuple of CheckResult
    overfull : tuple of str
        What pdflatex said about boxes that stick out of the page.
    """

    path: Path
    theorems: int
    checks: tuple[CheckResult, ...]
    overfull: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.theorems} theorems, {len(self.checks)} checks, {len(self.failed)} failed",
            *(f"FAILED {check.name} ({check.route}): {check.message or check.figure}" for check in self.failed),
            *self.overfull,
        ]
        return "\n".join(lines)


def write_book(
    output: Path | str,
    names: Sequence[str] | None = None,
    *,
    verification: Path | str | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> BookSummary:
    """Write the book.

    Parameters
    ----------
    output : path
        Ending with .pdf, which takes pdflatex, or with .tex for the source.
    names : sequence of str, optional
        Keys of `DERIVATIONS`; all of them unless given.
    verification : path, optional
        A file of `dln verify --json` to take the status of the theorems from; without one the derivations that are
        typeset are checked here, which takes a minute.
    overwrite : bool
        Replace an existing file.
    progress : callable, optional
        Called with what is being done and the share done.

    Raises
    ------
    ValueError
        If a name is unknown, the ending is another one, or the file of verification is none.
    FileExistsError
        If the output exists and `overwrite` is false.
    FileNotFoundError
        If the folder of the output does not exist, or pdflatex is not installed.
    LatexError
        If pdflatex fails.
    """
    path = Path(output)
    _require_writable(path, overwrite)
    known = None if verification is None else read_checks(verification)
    tell = progress or (lambda what, share: None)
    chapters = derive_all(names, lambda what, share: tell(what, share * (1 - CHECKING)))
    if known is None:
        known = check_all(chapters, lambda what, share: tell(what, 1 - CHECKING + share * CHECKING))
    typeset_names = [derivation.name for chapter in chapters for derivation in chapter.derivations]
    source = book_source(chapters, known)
    overfull: tuple[str, ...] = ()
    if path.suffix == ".tex":
        path.write_text(source, encoding="utf-8")
    else:
        tell("compiling", 1.0)
        content, log = compile_latex(source)
        path.write_bytes(content)
        overfull = tuple(overfull_boxes(log))
    checks = tuple(check for name in typeset_names for check in known.get(name, ()))
    return BookSummary(path, len(typeset_names), checks, overfull)


def _require_writable(path: Path, overwrite: bool) -> None:
    """Say before the work what would be in its way at the end."""
    if path.suffix not in (".pdf", ".tex"):
        raise ValueError(f"the book is a .pdf or a .tex file, not {path.name!r}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; create it first")
    if path.suffix == ".pdf":
        pdflatex()
