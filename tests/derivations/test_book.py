"""The book, the references, and what `dln derive --format latex` gives to paste."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sympy import Symbol

from derivations import DERIVATIONS
from derivations.book import CHAPTERS, SMALLER, book_source, check_all, derive_all, read_checks, status_latex
from derivations.book_file import write_book
from derivations.command_line import main
from derivations.derivation import CheckResult
from derivations.latex_compilation import LatexError, compile_latex, overfull_boxes
from derivations.latex_derivation import reason_latex
from derivations.references import Reference, bibliography
from derivations.step import Step
from derivations.theorems import THEOREMS
from geometry import DeepLinearNetwork

N = Symbol("N", positive=True)
NAMES = ("multiplier", "volume-form", "bures-wasserstein")
needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def run(*arguments: object) -> int:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


# --------------------------------------------------------------------------------- references


def test_keys_are_distinct_and_every_theorem_has_one() -> None:
    keys = [source.key for source in bibliography()]
    assert len(set(keys)) == len(keys) == 20
    assert all(re.fullmatch(r"[A-Za-z]+\d{4}", key) for key in keys)
    assert {theorem.REFERENCE.key for theorem in THEOREMS.values()} <= set(keys)


@pytest.mark.parametrize("source", bibliography(), ids=lambda source: source.key)
def test_bibtex_entries(source: Reference) -> None:
    entry = source.bibtex()
    assert entry.count("{") == entry.count("}")
    assert re.match(r"@(misc|article|book)\{\w+,\n", entry)
    for field in ("author", "title", "year"):
        assert f"  {field} = {{" in entry
    assert 1980 < source.year < 2030
    assert entry.count(" and ") >= len(source.surnames) - 1


def test_bibtex_of_each_kind() -> None:
    kinds = {source.key: source.bibtex() for source in bibliography()}
    assert "eprint = {2411.09004}" in kinds["Menon2024"]
    assert "journal = {Bull. Amer. Math. Soc.}" in kinds["ForresterWarnaar2008"]
    assert "volume = {45}" in kinds["ForresterWarnaar2008"]
    assert "publisher = {Springer}" in kinds["Besse1987"]
    with pytest.raises(ValueError, match="'by hand' is none of 'arXiv"):
        _ = Reference("A. Author", "Title", "by hand").key


def test_cite(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cite") == 0
    assert capsys.readouterr().out.count("\n}") == 20
    assert run("cite", "volume-form", "metric", "Menon2024") == 0
    assert re.findall(r"@\w+\{(\w+),", capsys.readouterr().out) == ["CohenMenonVeraszto2022", "Menon2024"]
    assert run("cite", "nobody") == 2
    assert "'nobody' is neither a theorem" in capsys.readouterr().err


# --------------------------------------------------------------------------------- a derivation to paste


def test_steps_that_differ_in_indices_only_are_one() -> None:
    source = DERIVATIONS["metric"](DeepLinearNetwork(N, (3, 3))).latex()
    assert r"\frac{d\sigma_k^2}{\lambda_{kk}}" in source
    assert r"\lambda_{11}" not in source
    assert source.count("Rotating a pair") == 1


def test_chains_do_not_repeat_their_left_side() -> None:
    source = DERIVATIONS["multiplier"](DeepLinearNetwork(N, (2, 2))).latex()
    assert re.search(r"^  &\\quad = ", source, flags=re.MULTILINE)


def test_short_steps_have_their_reasons_beside_them() -> None:
    x = Symbol("x", positive=True)
    short = replace(DERIVATIONS["multiplier"](DeepLinearNetwork(2, (2, 2))), steps=(Step(x + x, 2 * x, "sum"),))
    assert r"&& \text{sum}" in short.latex()


def test_reasons_are_text() -> None:
    assert reason_latex("the coefficient of N^-1") == "the coefficient of $N^{-1}$"
    assert reason_latex("U_11 & 5 %") == r"$U_{11}$ \& 5 \%"
    assert reason_latex("c² and dσ") == r"$c^2$ and $d\sigma$"
    assert reason_latex("already $x_1$") == "already $x_1$"


# --------------------------------------------------------------------------------- the book


def test_chapters_have_all_theorems() -> None:
    assert set(CHAPTERS) <= set(DERIVATIONS)
    assert set(SMALLER) <= set(DERIVATIONS)
    assert next(iter(CHAPTERS)) == next(iter(DERIVATIONS))
    with pytest.raises(ValueError, match="unknown theorem 'nothing'"):
        derive_all(["nothing"])


def test_the_source_has_everything() -> None:
    chapters = derive_all(NAMES)
    source = book_source(chapters, check_all(chapters))
    assert [chapter.title for chapter in chapters] == [CHAPTERS["multiplier"], CHAPTERS["structure-equations"]]
    assert source.count(r"\subsection{") == len(NAMES)
    assert source.count(r"\textsc{Verified}") == len(NAMES)
    for part in (r"\tableofcontents", r"\section*{Notation}", r"\begin{thebibliography}"):
        assert part in source
    cited = set(re.findall(r"\\cite(?:\[[^]]*\])?\{(\w+)\}", source))
    assert cited <= set(re.findall(r"\\bibitem\{(\w+)\}", source))
    assert source.isascii()


def test_status() -> None:
    good = CheckResult("a", "exact", True, 0.0, 0.0)
    bad = CheckResult("a", "float", False, float("inf"), 1e-10, "step 2 fails")
    assert status_latex([good]) == r"\textsc{Verified}: exact (error $0$)."
    assert "FAILED" in status_latex([good, bad])
    assert "Not verified" in status_latex([good, bad])
    assert "Not checked" in status_latex([])
    assert "2 of 2" in status_latex([good, good])


def test_a_failing_check_is_in_the_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file of verification: exit status 1, and the theorem says that it is not verified."""
    rows = [
        {"name": "multiplier [N=N]", "route": "exact", "passed": False, "figure": None, "bound": 0.0, "message": "slip"}
    ]
    checks = tmp_path / "verification.json"
    checks.write_text(json.dumps({"checks": rows}), encoding="utf-8")
    output = tmp_path / "book.tex"
    assert run("book", "multiplier", "-o", output, "--verification", checks) == 1
    assert "FAILED multiplier [N=N] (exact): slip" in capsys.readouterr().out
    assert "Not verified" in output.read_text(encoding="utf-8")


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there.tex"
    there.touch()
    assert run("book", "-o", there) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run("book", "-o", tmp_path / "book.doc") == 2
    assert ".pdf or a .tex" in capsys.readouterr().err
    assert run("book", "-o", tmp_path / "missing" / "book.tex") == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("book", "-o", tmp_path / "book.pdf") == 2
    assert "-o book.tex" in capsys.readouterr().err
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="is no file of 'dln verify --json'"):
        read_checks(other)


@needs_pdflatex
def test_the_book_compiles_and_fits_its_pages(tmp_path: Path) -> None:
    known = tmp_path / "verification.json"
    known.write_text(json.dumps({"checks": []}), encoding="utf-8")
    summary = write_book(tmp_path / "book.pdf", NAMES, verification=known)
    assert summary.path.read_bytes().startswith(b"%PDF")
    assert summary.overfull == ()
    assert summary.theorems == len(NAMES)


@needs_pdflatex
def test_a_derivation_is_pasted_without_an_edit() -> None:
    """With amsmath and amssymb alone, as in any manuscript."""
    body = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (4, 3), 2)).latex()
    head = r"\documentclass{article}\usepackage[a4paper,margin=24mm]{geometry}\usepackage{amsmath,amssymb}"
    source = "\n".join([head, r"\begin{document}", body, r"\end{document}"])
    content, log = compile_latex(source, passes=1)
    assert content.startswith(b"%PDF")
    assert overfull_boxes(log) == []
    with pytest.raises(LatexError, match="pdflatex failed"):
        compile_latex(source.replace(r"\sqrt", r"\nothing"), passes=1)
