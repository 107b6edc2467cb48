"""The command `dln`.

Exit status: 0 when all went well, 1 when a check or a run failed, 2 for a user's mistake, 130 when
interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

# The matrices are small: threads of the linear algebra cost more than they gain.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import typer  # noqa: E402 (after the environment is set)
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: E402
from sympy import Expr, Symbol  # noqa: E402

from geometry import DeepLinearNetwork, ExpressionError, parse_depth, parse_expression  # noqa: E402

__all__ = ["app", "main"]

app = typer.Typer(
    help="Geometry of the deep linear network: derive, verify, complete, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, highlight=False, markup=False)

INTERRUPTED = 130

Depth = Annotated[str, typer.Option(help="An integer, a name such as N for symbolic depth, or oo.")]
Seed = Annotated[int, typer.Option(help="Of all random numbers.")]


class Format(StrEnum):
    """What `dln derive` prints."""

    text = "text"
    latex = "latex"
    python = "python"
    json = "json"


@contextmanager
def _progress(description: str) -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error, off when that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(description, total=1.0)
        yield lambda what, share: bar.update(task, description=f"{description}: {what}", completed=share)


def _size(what: str, text: str) -> int | Expr:
    if text.isdecimal():
        return int(text)
    depth = parse_depth(text) if text.isidentifier() else None
    if isinstance(depth, Symbol):
        return Symbol(text, integer=True, positive=True)
    raise ValueError(f"{what} must be a positive integer or a name, not {text!r}")


def _network(depth: str, shape: tuple[str, str], rank: str | None, field: str, rescaled: bool) -> DeepLinearNetwork:
    sides = (_size("a side of the shape", shape[0]), _size("a side of the shape", shape[1]))
    size = None if rank is None else _size("the rank", rank)
    return DeepLinearNetwork(parse_depth(depth), sides, size, field.upper(), rescaled)


@app.callback(invoke_without_command=True)
def _global(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from .verification import versions

        typer.echo(versions()["dln-geometry"])
        raise typer.Exit


@app.command()
def derive(
    name: Annotated[str | None, typer.Argument(help="A theorem; see --list.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the theorems.")] = False,
    depth: Depth = "N",
    shape: Annotated[tuple[str, str], typer.Option(help="m and n, numbers or names.", metavar="M N")] = ("3", "3"),
    rank: Annotated[str | None, typer.Option(help="r, a number or a name; min(m, n) unless given.")] = None,
    field: Annotated[str, typer.Option(help="R, C or H.")] = "R",
    rescaled: Annotated[bool, typer.Option(help="Multiply the metric by the depth.")] = False,
    energy: Annotated[
        str | None, typer.Option(help="For spectral-flow: E in the entries X[i, j], from 0, e.g. '(X[0, 0] - 1)**2/2'.")
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.text,
) -> None:
    """Derive a theorem, step by step.

    Example: dln derive volume-form --depth N --shape 3 3 --format latex
    """
    from .theorems import DERIVATIONS
    from .writing import as_json, as_python, catalogue, flow_text

    if list_ or name is None:
        typer.echo(catalogue())
        return
    if name not in DERIVATIONS:
        raise ValueError(f"unknown theorem {name!r}; there are {', '.join(DERIVATIONS)}")
    network = _network(depth, shape, rank, field, rescaled)
    if energy is not None:
        if name != "spectral-flow":
            raise ValueError("--energy goes with spectral-flow only")
        equations = network.gradient_flow(lambda X: parse_expression(energy, {"X": X}))
        typer.echo(flow_text(equations, output_format.value))
        return
    derivation = DERIVATIONS[name](network)
    typer.echo(
        {
            Format.text: lambda: str(derivation),
            Format.latex: derivation.latex,
            Format.python: lambda: as_python(derivation),
            Format.json: lambda: json.dumps(as_json(derivation), indent=2),
        }[output_format]()
    )


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Theorems; all unless given.")] = None,
    route: Annotated[list[str] | None, typer.Option(help="exact, precise or float; all unless given.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table to a JSON file.")] = None,
) -> None:
    """Check theorems by independent routes; exit status 1 when a check fails."""
    from .verification import verify as run

    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"the folder of {json_file} does not exist; create it first")
    with _progress("verifying") as update:
        table = run(names or None, route or None, progress=update)
    if json_file is not None:
        table.write(json_file)
    typer.echo(str(table))
    if not table.passed:
        raise typer.Exit(1)


@app.command()
def cite(
    names: Annotated[list[str] | None, typer.Argument(help="Theorems or keys; all sources unless given.")] = None,
) -> None:
    """Print the sources as BibTeX.

    Examples: dln cite > references.bib; dln cite volume-form entropy; dln cite Menon2024
    """
    from .references import cited
    from .theorems import THEOREMS

    sources = {name: theorem.REFERENCE for name, theorem in THEOREMS.items()}
    typer.echo("\n\n".join(source.bibtex() for source in cited(names, sources)))


@app.command()
def book(
    output: Annotated[Path, typer.Option("-o", "--output", help="A .pdf file, by pdflatex, or the .tex file.")],
    names: Annotated[list[str] | None, typer.Argument(help="Theorems; all unless given.")] = None,
    verification: Annotated[
        Path | None, typer.Option(help="A file of 'dln verify --json'; without one the theorems are checked here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Typeset the derivations: contents, notation, steps, results, checks, references.

    Exit status 1 if any check fails.

    Examples: dln book -o book.pdf; dln book volume-form entropy -o two.tex
    """
    from .book_file import write_book

    with _progress("typesetting") as update:
        summary = write_book(output, names, verification=verification, overwrite=overwrite, progress=update)
    typer.echo(str(summary))
    if summary.failed:
        raise typer.Exit(1)


@app.command()
def complete(
    data: Annotated[Path, typer.Argument(help="A table with gaps (CSV), triples, Matrix Market (.mtx) or .npz.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A CSV file, or a folder, for what is written.")],
    depth: Annotated[
        str | None, typer.Option(help="An integer or oo; chosen by cross-validation unless given.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Chosen by cross-validation unless given; slow above about 50.")
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(help="Share of the entries to test on beforehand, below 1; a tenth unless given, 0 for none."),
    ] = None,
    data_format: Annotated[
        str | None, typer.Option("--format", help="table, triples, matrix-market or npz; found out unless given.")
    ] = None,
    scale: Annotated[float, typer.Option(help="The start's singular values, relative to the data.")] = 1e-3,
    rtol: Annotated[float, typer.Option(help="Relative tolerance of each step.")] = 1e-6,
    seed: Seed = 0,
    header: Annotated[
        bool | None, typer.Option(help="Whether the first line is a header; found out unless given.")
    ] = None,
    labels: Annotated[
        bool | None, typer.Option(help="Whether the first column is labels; found out unless given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace existing output files.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the account of the run as JSON.")] = False,
) -> None:
    """Fill the gaps of a matrix by a gradient flow from a small start, to convergence.

    Writes the completed matrix, its singular values, a picture, and an account of the run (JSON), and says how good it
    is on entries that it was not shown, beside the mean and truncated SVDs.

    At depth oo a matrix that is not square, or of low --rank, is only fitted within the row and column spaces of the
    random start: take a finite depth then.

    Examples: dln complete DATA.csv -o completed.csv; dln complete DATA.mtx --depth 3 --rank 4 -o folder
    """
    from .completing import complete_file

    number = None if depth is None else parse_depth(depth)
    if isinstance(number, Symbol):
        raise ValueError(f"depth must be an integer or oo to compute with, not {depth!r}")
    with _progress("completing") as update:
        account = complete_file(
            data,
            output,
            depth=number,
            rank=rank,
            held_out=held_out,
            scale=scale,
            rtol=rtol,
            seed=seed,
            overwrite=overwrite,
            data_format=data_format,
            header=header,
            labels=labels,
            progress=update,
        )
    typer.echo(json.dumps(account.content, indent=2, ensure_ascii=False) if json_ else account.text)


@app.command()
def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder for the report.")],
    depths: Annotated[list[str] | None, typer.Option(help="Depths, such as --depths 1 2 3 10 oo.")] = None,
    seed: Seed = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; the number of cores unless given.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier report.")] = False,
) -> None:
    """Tell the paper's story on the embedded data: formulas, flows, cross-checks, pictures.

    Exit status 1 if any check fails.
    """
    from .report import write_report

    numbers = [parse_depth(depth) for depth in depths] if depths else None
    with _progress("reporting") as update:
        table = write_report(output, numbers, seed=seed, jobs=jobs, overwrite=overwrite, progress=update)
    failed = [result for result in table if not result.passed]
    typer.echo(f"{len(table)} checks, {len(failed)} failed; see {output / 'index.html'}")
    for result in failed:
        typer.echo(f"FAILED {result.name} ({result.route}): {result.figure:.3g} > {result.bound:.3g} {result.message}")
    if failed:
        raise typer.Exit(1)


def _spread_depths(arguments: list[str]) -> list[str]:
    """Let `--depths 1 2 3` stand for `--depths 1 --depths 2 --depths 3`."""
    spread: list[str] = []
    inside = False
    for index, argument in enumerate(arguments):
        if argument == "--depths":
            inside = True
            if not arguments[index + 1 :] or arguments[index + 1].startswith("-"):
                spread.append(argument)  # without a value, which is an error
        elif argument.startswith("-") and not argument[1:].isdecimal():
            inside = False
            spread.append(argument)
        else:
            spread += ["--depths", argument] if inside else [argument]
    return spread


def main(arguments: list[str] | None = None) -> None:
    """Run `dln`; a user's mistake gives one line and exit status 2."""
    warnings.showwarning = lambda message, *_, **__: _say(str(message))
    command = typer.main.get_command(app)
    given = _spread_depths(sys.argv[1:] if arguments is None else arguments)
    with contextlib.suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, _terminate)
    try:
        status = command.main(given, prog_name="dln", standalone_mode=False)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        sys.exit(_failed(error))
    if status == INTERRUPTED:  # Typer's answer to Ctrl-C
        _say("interrupted")
    sys.exit(status if isinstance(status, int) else 0)


def _terminate(*_: object) -> None:
    """End by an exception, so that what is half-written is removed."""
    sys.exit(128 + signal.SIGTERM)


def _say(message: str) -> None:
    """One line on standard error."""
    errors.print(f"dln: {message}", soft_wrap=True)


def _failed(error: Exception) -> int:
    """Say what went wrong in one line; the exit status."""
    from numerics import FlowError

    show = getattr(error, "format_message", None)
    if show is not None:  # the command line itself was off
        context = getattr(error, "ctx", None)
        if show():
            _say(f"{show().rstrip('.')}; see {context.command_path if context else 'dln'} --help")
        return 2
    if type(error).__name__ == "Abort":
        _say("interrupted")
        return INTERRUPTED
    # The pointer below an expression means nothing on one line.
    lines = [line.strip() for line in str(error).splitlines() if line.strip() != "^"]
    message = ": ".join(lines) if isinstance(error, ExpressionError) else " ".join(lines)
    if isinstance(error, FlowError):
        _say(message)
        return 1
    if isinstance(error, (ValueError, OSError)):
        _say(message)
        return 2
    raise error


if __name__ == "__main__":
    main()
