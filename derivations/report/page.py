"""index.html: the story with its formulas (MathML), figures and tables; no script, nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sympy import Eq, Expr, Limit, Symbol
from sympy.printing.mathml import MathMLPresentationPrinter

from geometry import DeepLinearNetwork, explicit

from ..derivation import BOUNDS, ROUTES, CheckResult
from ..mauna_loa import RESOLUTION, SOURCE
from ..step import Step, plain_text
from ..theorems import DERIVATIONS
from ..verification import Verification
from .figures import FIGURES, label
from .formulas import REPORTED
from .problems import MONTHLY_SHARE_UNSEEN, NO_BETTER_THAN_THE_MEAN, START, WEEKLY_GRADIENT, WEEKLY_RANK, FlowResult

__all__ = ["index_page", "mathml"]

STYLE = """
body { font: 16px/1.5 Georgia, serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2, h3 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; }
figure { margin: 1.5rem 0; } img { max-width: 100%; } figcaption { color: #555; font-size: 0.9rem; }
table { border-collapse: collapse; font-size: 0.9rem; margin: 1rem 0; }
td, th { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.passed { color: #0a6b2d; } .failed { color: #b00020; font-weight: bold; }
math { font-size: 1.05rem; } .formula { overflow-x: auto; padding: 0.3rem 0 0.3rem 1.5rem; }
.reason { color: #555; } details { margin: 0.5rem 0; }
"""
HEAD = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>dln report</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>"""


class _Printer(MathMLPresentationPrinter):
    """Presentation MathML, with time derivatives and one-forms of ours."""

    def _print_TimeDerivative(self, derivative: Any) -> Any:
        fraction = self.dom.createElement("mfrac")
        top = self.dom.createElement("mrow")
        letter = self.dom.createElement("mi")
        letter.appendChild(self.dom.createTextNode("d"))
        top.appendChild(letter)
        top.appendChild(self._print(derivative.args[0]))
        below = self.dom.createElement("mi")
        below.appendChild(self.dom.createTextNode("dt"))
        fraction.appendChild(top)
        fraction.appendChild(below)
        return fraction

    def _print_OneForm(self, form: Any) -> Any:
        if not form.name.startswith("d"):
            return self._print_Symbol(Symbol(form.name))
        row = self.dom.createElement("mrow")
        letter = self.dom.createElement("mi")
        letter.appendChild(self.dom.createTextNode("d"))
        row.appendChild(letter)
        row.appendChild(self._print_Symbol(Symbol(form.name[1:])))
        return row


def mathml(expression: Expr, left: str = "", equals: bool = False) -> str:
    """An expression as MathML, means written out, after a left-hand side or an equals sign."""
    shown = expression if isinstance(expression, Limit) else explicit(expression)
    before = f"<mtext>{escape(left)}</mtext>" * bool(left) + "<mo>=</mo>" * (equals or bool(left))
    # SymPy writes hyphens for minus signs.
    printed = re.sub(r"(<m[on]>)-", "\\1−", _Printer()._print(shown).toxml())
    return f'<math display="block">{before}{printed}</math>'


def index_page(
    monthly: Sequence[FlowResult], weekly: Sequence[FlowResult], table: Verification, seed: int, has_pdf: bool
) -> str:
    """The page."""
    best = min(weekly, key=lambda result: result.unseen[-1])
    failed = sum(not check.passed for check in table)
    verdict = "all passed" if not failed else f"{failed} FAILED"
    pdf = ' (<a href="formulas.pdf">PDF</a>)' if has_pdf else ""
    body = [
        "<h1>The deep linear network, from its formulas to data</h1>",
        "<p>A deep linear network <i>X = W<sub>N</sub> ⋯ W<sub>1</sub></i>, trained by gradient descent from balanced "
        "layers, moves <i>X</i> by a Riemannian gradient flow. The metric comes from the architecture, the loss from "
        "the task. Everything below is derived from the definition of the operator <i>A<sub>N</sub></i>, checked "
        f"against it ({len(table)} checks: {verdict}), compiled to kernels and integrated. Cohen, Menon, Veraszto, "
        "<i>Deep linear networks for matrix completion: an infinite depth limit</i>, arXiv:2210.12497.</p>",
        f'<p>All formulas for each depth: <a href="formulas.tex">formulas.tex</a>{pdf}. Kernels as emitted: '
        '<a href="kernels.py">kernels.py</a>. Every check: <a href="verification.json">verification.json</a>.</p>',
        "<h2>Formulas</h2>",
        *_formulas(),
        "<h2>A square problem at full rank</h2>",
        f"<p>The monthly means of 1990 to 2001, 12 x 12, mean removed and scaled; {MONTHLY_SHARE_UNSEEN:.0%} of the "
        f"entries are not shown to the flow. The start is {START:g} times a random orthogonal matrix, so low rank can "
        f"only come from the flow. Each flow stops where its residuals are down to the rounding of the record, "
        f"{RESOLUTION:g} ppm. {_on_depths(monthly)}</p>",
        _flow_table(monthly),
        "<p>This problem shows a bias towards low rank that nobody asked for. It is no contest of methods: for a "
        "record known to be a trend plus a season, fitting just that is a fair peer, in the table's last line.</p>",
        *(_figure(name) for name in ("singular_values", "errors", "log_volume")),
        "<h2>Real gaps, given rank</h2>",
        "<p>44 years x 52 weeks with 71 gaps, the weeks never measured and those of 1958 before the record begins; a "
        f"tenth of the others is held out; rank {WEEKLY_RANK}. The flows stop at a gradient norm of "
        f"{WEEKLY_GRADIENT:g}, since rank {WEEKLY_RANK} cannot fit the record to its rounding and further down fits "
        "its noise. Of the two depths the one with the smaller error on the held-out weeks fills the gaps: "
        f"{label(best)}, with {best.unseen[-1]:.2f} ppm, where filling in the mean gives {best.mean_error:.1f} ppm. "
        "The result: "
        '<a href="completed.csv">completed.csv</a>.</p>',
        _flow_table(weekly),
        "<p>The flow knows nothing of time; a line between neighbouring weeks, in the table's last line, does.</p>",
        *(_figure(name) for name in ("record", "record_line")),
        "<h2>Checks</h2>",
        _check_table(table),
        f"<p>Seed {seed}. Data: {escape(SOURCE)}</p>",
    ]
    return "\n".join([HEAD, *body, "</body></html>", ""])


def _formulas() -> list[str]:
    """The results for symbolic depth on 2 x 2 matrices, their steps on demand."""
    network = DeepLinearNetwork(Symbol("N", positive=True), (2, 2))
    parts = [
        "<p>For depth N and 2 x 2 matrices X = UΣVᵀ of full rank, with singular values σ, and Ω<sup>U</sup> = UᵀdU, "
        "Ω<sup>V</sup> = VᵀdV.</p>"
    ]
    for name in REPORTED:
        derivation = DERIVATIONS[name](network)
        parts.append(f"<h3>{name.replace('-', ' ').capitalize()}</h3><p>{escape(plain_text(derivation.statement))}</p>")
        for subject, part in derivation.parts():
            parts.append(f'<div class="formula">{mathml(part, plain_text(subject))}</div>')
        steps = "".join(_step(step, explained) for step, explained in derivation.explained_steps())
        count, source = len(derivation.steps), escape(str(derivation.reference))
        parts.append(f"<details><summary>{count} steps</summary><ol>{steps}</ol><p>{source}</p></details>")
    return parts


def _step(step: Step, explained: Mapping[Symbol, Expr]) -> str:
    left, right = step.sides
    lines = [mathml(left), mathml(right, equals=True)]
    lines += [mathml(Eq(symbol, explicit(value), evaluate=False)) for symbol, value in explained.items()]
    shown = "".join(f'<div class="formula">{line}</div>' for line in lines)
    return f'<li><span class="reason">{escape(step.reason)}</span>{shown}</li>'


def _flow_table(results: Sequence[FlowResult]) -> str:
    rows = [
        f"<tr><td>{label(result)}</td>"
        f'<td class="number">{result.unseen[-1]:.3f}</td><td class="number">{result.seen[-1]:.3f}</td>'
        f'<td class="number">{result.mean_error / result.unseen[-1]:.1f}</td>'
        f'<td class="number">{", ".join(f"{value:.3f}" for value in result.singular_values[-1][:4])}</td>'
        f"<td>{escape(result.statistics)}, {result.seconds:.1f} s</td></tr>"
        for result in results
    ]
    first = results[0]
    for name, error in (("filling in the mean", first.mean_error), (first.baseline, first.baseline_error)):
        rows.append(
            f'<tr><td>{escape(name)}</td><td class="number">{error:.3f}</td><td></td>'
            f'<td class="number">{first.mean_error / error:.1f}</td><td></td><td></td></tr>'
        )
    header = (
        "<tr><th>depth</th><th>unseen, ppm</th><th>seen, ppm</th><th>times better than the mean</th>"
        "<th>largest singular values</th><th>run</th></tr>"
    )
    return f"<table>{header}{''.join(rows)}</table>"


def _figure(name: str) -> str:
    caption = escape(FIGURES[name])
    return f'<figure><img src="figures/{name}.png" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _on_depths(monthly: Sequence[FlowResult]) -> str:
    """What the table shows, in words: of the depths that were run."""
    sentences = []
    deeper = [result for result in monthly if result.depth not in NO_BETTER_THAN_THE_MEAN]
    if len(deeper) < len(monthly):
        sentences.append("At depth 1 the unseen entries stay where the start put them, at the mean.")
    if deeper:
        best = min(deeper, key=lambda result: float(result.unseen[-1]))
        sentences.append(
            "Beyond depth 1 two singular values, trend and season, stand out from the others; the error on the unseen "
            f"entries is smallest at depth {label(best)}."
        )
    return " ".join(sentences)


def _check_table(table: Verification) -> str:
    """Theorems one a line with their three routes, then the other checks."""
    theorems: dict[str, dict[str, CheckResult]] = {}
    others = []
    for check in table:
        if check.name.split(" [")[0] in REPORTED:
            theorems.setdefault(check.name, {})[check.route] = check
        else:
            others.append(check)
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(_check_cell(routes.get(route)) for route in ROUTES)}</tr>"
        for name, routes in sorted(theorems.items(), key=lambda item: REPORTED.index(item[0].split(" [")[0]))
    ]
    header = f"<tr><th>theorem</th>{''.join(f'<th>{route}</th>' for route in ROUTES)}</tr>"
    bounds = ", ".join(f"{route} {bound:g}" for route, bound in BOUNDS.items())
    grouped = f"<table>{header}{''.join(rows)}</table><p>Largest relative errors; the bounds are {bounds}.</p>"
    return grouped * bool(rows) + _other_checks(others)


def _check_cell(check: CheckResult | None) -> str:
    if check is None:
        return "<td></td>"
    verdict = "passed" if check.passed else "FAILED"
    return f'<td class="{verdict.lower()}">{verdict} {check.figure:.0e}</td>'


def _other_checks(table: Sequence[CheckResult]) -> str:
    rows = [
        f"<tr><td>{escape(check.name)}</td><td>{check.route}</td>"
        f'<td class="{"passed" if check.passed else "failed"}">{"passed" if check.passed else "FAILED"}</td>'
        f'<td class="number">{check.figure:.1e}</td><td class="number">{check.bound:.1e}</td></tr>'
        for check in table
    ]
    header = "<tr><th>check</th><th>route</th><th></th><th>figure</th><th>bound</th></tr>"
    return f"<table>{header}{''.join(rows)}</table>"
