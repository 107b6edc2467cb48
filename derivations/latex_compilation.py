"""LaTeX documents compiled by pdflatex."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["LatexError", "compile_latex", "overfull_boxes", "pdflatex"]

PASSES = 3
"""Contents and references need a second pass, page numbers that the contents move a third."""
SECONDS = 300


class LatexError(RuntimeError):
    """pdflatex failed: with the end of its log."""


def pdflatex() -> str:
    """Where pdflatex is.

    Raises
    ------
    FileNotFoundError
        If it is not installed.
    """
    program = shutil.which("pdflatex")
    if program is None:
        raise FileNotFoundError(
            "pdflatex is not installed: install TeX Live (Debian: texlive-latex-recommended and lmodern), "
            "or write the source with -o book.tex"
        )
    return program


def compile_latex(source: str, passes: int = PASSES) -> tuple[bytes, str]:
    """The PDF of a document, and the log of the last pass.

    Raises
    ------
    FileNotFoundError
        If pdflatex is not installed.
    LatexError
        If it fails.
    """
    command = [pdflatex(), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
    # Lines of the log are not to be folded within a number.
    environment = {**os.environ, "max_print_line": "1000"}
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "document.tex"
        document.write_text(source, encoding="utf-8")
        for _ in range(passes):
            run = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False, timeout=SECONDS
            )
            if run.returncode:
                raise LatexError("pdflatex failed:\n" + run.stdout.decode(errors="replace")[-2000:])
        log = document.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        return document.with_suffix(".pdf").read_bytes(), log


def overfull_boxes(log: str) -> list[str]:
    r"""The lines of a log about boxes that stick out of the page.

    Examples
    --------
    >>> overfull_boxes("Overfull \\hbox (3.1pt too wide) in paragraph\nUnderfull \\vbox")
    ['Overfull \\hbox (3.1pt too wide) in paragraph']
    """
    return re.findall(r"^Overfull .*", log, flags=re.MULTILINE)
