r"""A derivation in LaTeX that goes into a manuscript as it stands: it needs amsmath and amssymb.

The steps make one `align*`. Where all of them fit on their lines the reasons stand in a column of their own;
otherwise each reason is a line of text above its equation, and long sides are broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sympy import Expr, Tuple

from .latex_gathering import gathered_equations, generic
from .latex_lines import LINE, broken, width
from .step import CAPITALS, GREEK, SIGNS, Step, typeset

if TYPE_CHECKING:
    from .derivation import Derivation

__all__ = [
    "Row",
    "derivation_latex",
    "equations_latex",
    "reason_latex",
    "result_equations",
    "statement_latex",
    "steps_latex",
]

TEXT_LETTER = 0.88
"""The width of a letter of text, in those of a formula."""
COLUMNS = 9.0
"""What an equality sign and the space between the columns take."""
DEFINITION = "by definition"
FORMULA = re.compile(r"[A-Za-z0-9]*(?:[_^]-?\w+|[^\x00-\x7f])+\w*")
"""What is a formula in a reason: a word with an index, a power or a sign that is no letter of ASCII."""
COMMANDS = {sign: rf"\{name} " for name, sign in (GREEK | CAPITALS | SIGNS).items() if len(sign) == 1} | {"²": "^2"}


@dataclass(frozen=True)
class Row:
    """An equality in LaTeX with the reason for it."""

    left: str
    right: str
    reason: str = ""


def derivation_latex(derivation: Derivation, line: float = LINE) -> str:
    """The statement, the steps and the result.

    Parameters
    ----------
    derivation : Derivation
    line : float
        What fits on a line, in letters of a formula.
    """
    network, reference = derivation.network, derivation.reference
    m, n = network.shape
    place = f", {reference.place}" if reference.place else ""
    return "\n".join(
        [
            f"% {derivation.name}: depth {network.depth}, {m} x {n}, rank {network.rank}, field {network.field};"
            f" \\cite{{{reference.key}}}{place}",
            statement_latex(derivation) + "\n",
            steps_latex(derivation, line),
            "Hence",
            equations_latex(result_equations(derivation), line),
        ]
    )


def statement_latex(derivation: Derivation) -> str:
    """The statement in the house style."""
    return _exponents_on_line(derivation.statement)


def steps_latex(derivation: Derivation, line: float = LINE) -> str:
    """The steps as one align environment."""
    rows = list(_rows(derivation))
    return _in_columns(rows) if _fits(rows, line) else _under_reasons(rows, line)


def result_equations(derivation: Derivation) -> list[Row]:
    """The parts of the result."""
    return [_equation(subject, part) for subject, part in derivation.parts()]


def equations_latex(rows: Sequence[Row], line: float = LINE) -> str:
    """Equations one below the other."""
    if len(rows) == 1 and width(rows[0].left + "=" + rows[0].right) <= line:
        return rf"\[ {rows[0].left} = {rows[0].right} \]"
    if max(width(row.left) for row in rows) + max(width(row.right) for row in rows) + COLUMNS / 2 <= line:
        lines = [f"{row.left} &= {row.right}" for row in rows]
    else:
        lines = [part for row in rows for part in _broken_row(row, line)]
    return _align(" \\\\\n".join(f"  {row}" for row in lines))


def reason_latex(reason: str) -> str:
    r"""A reason in text: what is a formula in it between dollar signs.

    Examples
    --------
    >>> print(reason_latex("the coefficient of N^-1, q = p+1, and 5 % of U_11"))
    the coefficient of $N^{-1}$, q = p+1, and 5 \% of $U_{11}$
    """
    text = re.sub(r"(?<!\\)([%#&])", r"\\\1", reason)
    return text if "$" in text else FORMULA.sub(_formula, text)


def _formula(found: re.Match[str]) -> str:
    formula = re.sub(r"([_^])(-\w+|\w{2,})", r"\1{\2}", found[0])
    return f"${''.join(COMMANDS.get(sign, sign) for sign in formula).strip()}$"


def _exponents_on_line(text: str) -> str:
    """Fractions of letters and numbers in exponents as in the formulas: N^{9/2}."""
    return re.sub(r"\^\{\\t?frac\{(\w+)\}\{(\w+)\}\}", r"^{\1/\2}", text)


# --------------------------------------------------------------------------------- rows


def _equation(subject: str, part: Any) -> Row:
    if subject:
        return Row(_exponents_on_line(subject), typeset(part))
    return Row(typeset(part.lhs), typeset(part.rhs))


def _rows(derivation: Derivation) -> Iterable[Row]:
    """The steps, those that differ in their indices only as one, each with what it explains for the first time."""
    definitions = dict[Expr, Expr]()
    for step in derivation.steps:
        definitions |= {symbol: value for symbol, value in step.where.items() if symbol not in definitions}
    explained = [(typeset(left), typeset(right)) for left, right in gathered_equations(definitions)]
    # Symbols that an equation in k and l explains belong to it.
    owner = {symbol: _owner(symbol, explained) for symbol in definitions}
    told: set[str] = set()
    before = ""
    for step in _distinct(derivation.steps):
        left, right = (typeset(side) for side in step.sides)
        yield Row("" if left == before else left, right, step.reason)
        before = right
        for symbol in step.where:
            name = owner.get(symbol, typeset(symbol))
            value = dict(explained).get(name)
            if value is not None and name not in told:
                told.add(name)
                yield Row(name, value, DEFINITION)
                before = ""


def _owner(symbol: Expr, explained: Sequence[tuple[str, str]]) -> str:
    names = [name for name, _ in explained]
    plain = typeset(symbol)
    pattern, labels = generic(symbol)
    return plain if plain in names or not labels else typeset(pattern)


def _distinct(steps: Sequence[Step]) -> list[Step]:
    """The steps, with one in k and l for all that are the same but for their indices."""
    found: list[Step] = []
    for _, same in groupby(steps, key=lambda step: step.reason):
        group = list(same)
        sides = {Tuple(*step.sides): Tuple(*step.sides) for step in group if _plain(step)}
        families = gathered_equations(dict(sides.values()))
        if len(families) == 1 < len(group):
            where = {symbol: value for step in group for symbol, value in step.where.items()}
            found.append(Step(*families[0], group[0].reason, where=where))
        else:
            found += group
    return found


def _plain(step: Step) -> bool:
    return all(isinstance(side, Expr) for side in step.sides)


# --------------------------------------------------------------------------------- layout


def _align(body: str) -> str:
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _fits(rows: Sequence[Row], line: float) -> bool:
    reasons = max(TEXT_LETTER * len(row.reason) for row in rows)
    return max(width(row.left) for row in rows) + max(width(row.right) for row in rows) + reasons + COLUMNS <= line


def _in_columns(rows: Sequence[Row]) -> str:
    lines = [rf"  {row.left} &= {row.right} && \text{{{reason_latex(row.reason)}}}" for row in rows]
    return _align(" \\\\\n".join(lines))


def _under_reasons(rows: Sequence[Row], line: float) -> str:
    r"""Reasons as \intertext, the first before the environment; what a step explains follows it."""
    text, first = "", ""
    for row in rows:
        lines = " \\\\\n".join(f"  {part}" for part in _broken_row(row, line))
        if row.reason == DEFINITION:
            text += f" \\\\\n{lines}"
        else:
            reason = reason_latex(row.reason)
            # A word begins with a capital letter, a symbol stays what it is.
            reason = reason[:1].upper() + reason[1:] if re.match(r"[a-z]{2,}|a ", reason) else reason
            end = "." if ":" in reason else ":"
            first = first or reason + end
            text += f"\n\\intertext{{{reason}{end}}}\n{lines}" if text else lines
    return f"{first}\n{_align(text)}"


def _broken_row(row: Row, line: float) -> list[str]:
    """Lines of an align environment that begin at its left margin."""
    together = f"{row.left} = {row.right}" if row.left else rf"\quad = {row.right}"
    if row.left == row.right:  # evaluated, so that there is nothing more to see than the value
        together, row = row.right, Row("", row.right)
    if width(together) <= line:
        return [f"&{together}"]
    indent = width(r"\qquad")
    taken = width(row.left) + 4
    first, *others = broken(row.right, line - taken, line - indent)
    if row.left and (taken > line / 2 or width(first) > line - taken):
        first, *others = broken(row.left, line, line - indent)
        lines = [f"&{first}", *(rf"&\qquad {part}" for part in others)]
        first, *others = broken(row.right, line - 6, line - indent)
        return [*lines, rf"&\quad = {first}", *(rf"&\qquad {part}" for part in others)]
    return [f"&{row.left} = {first}", *(rf"&\qquad {part}" for part in others)]
