r"""Formulas in lines: how wide LaTeX is when set, and where it can be broken.

Widths are in units of an average letter of a formula; an estimate, which the test of the book holds against TeX.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["LINE", "broken", "split_terms", "width"]

LINE = 76.0
"""What fits on a line of A4 paper in 11 points, or of a journal's single column."""
TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[^\\]")
NO_WIDTH = {"displaystyle", "mathsf", "mathrm", "mathcal", "operatorname", "text", "bigl", "bigr"}
WORDS = {"log": 3.0, "sin": 2.6, "cos": 2.8, "sinh": 3.6, "cosh": 3.8, "lim": 3.0, "prod": 2.4, "sum": 2.4, "int": 1.6}
WORDS |= {"quad": 2.0, "qquad": 4.0, "infty": 1.8, "to": 2.6, "min": 3.4, "max": 3.8, "det": 2.6, "tr": 1.6}
OPEN = re.compile(r"\\(sum|prod|lim|int)(\\limits)?(_\{[^{}]*\}|_\w)?(\^\{[^{}]*\}|\^\w)? ?$")
"""A sign of a sum or product that waits for what it is of."""
SCRIPT = 0.72
WIDE, SPACED = set("=+-<>"), 3.2


def width(latex: str) -> float:
    r"""About how many letters wide a formula is.

    Examples
    --------
    >>> width("x") == 1 and width(r"\frac{a b c}{d}") < width("a b c + d")
    True
    """
    return _Measure(TOKEN.findall(latex)).row()


class _Measure:
    """A reader of tokens that adds up widths; braces nest."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    def row(self) -> float:
        total = 0.0
        script = 0.0  # a subscript stands below the superscript
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            if token == "}":
                break
            self.place += 1
            if token in ("_", "^"):
                script = max(script, SCRIPT * self.item())
                if self.place < len(self.tokens) and self.tokens[self.place] in ("_", "^"):
                    continue
                total, script = total + script, 0.0
            else:
                total += self._of(token)
        return total + script

    def item(self) -> float:
        """The next token or group."""
        if self.place >= len(self.tokens):
            return 0.0
        token = self.tokens[self.place]
        self.place += 1
        return self._of(token)

    def _of(self, token: str) -> float:
        if token == "{":
            total = self.row()
            self.place += 1
            return total
        if token.startswith("\\"):
            return self._command(token[1:])
        if token.isspace() or token == "&":
            return 0.0
        if token in WIDE:
            return SPACED
        if token in "()|,.[]/!":
            return 0.8
        return 1.35 if token.isupper() else 1.0

    def _command(self, name: str) -> float:
        if name in ("frac", "tfrac", "dfrac"):
            return max(self.item(), self.item()) + 0.6
        if name in ("sum", "prod", "lim", "int"):
            return self._operator(WORDS[name])
        if name == "sqrt":
            return self.item() + 1.8
        if name in ("left", "right"):
            return 0.35  # brackets that grow
        if name in NO_WIDTH or name.startswith(("big", "Big")):
            return 0.0
        if name in (",", ";", "!", " "):
            return 0.4
        if name in ("begin", "end"):
            self.item()
            return 0.0
        return WORDS.get(name, 1.4 if name[:1].isupper() else 1.15)

    def _operator(self, own: float) -> float:
        """A sum with its limits below and above."""
        limits = [own]
        while self.place < len(self.tokens) and self.tokens[self.place] in ("_", "^"):
            self.place += 1
            limits.append(SCRIPT * self.item())
        return max(limits) + 0.4


def broken(latex: str, first: float, rest: float) -> list[str]:
    """The formula in lines, the first and the others no wider than this where that can be done.

    Lines end before a plus, a minus or a factor; brackets that are broken have a fixed size.
    """
    if width(latex) <= first:
        return [latex]
    lines: list[str] = []
    current, room = "", first
    for piece in _pieces(latex, rest):
        joined = f"{current} {piece}" if current else piece
        if current and width(joined) > room:
            lines.append(current)
            current, room = piece if piece[0] in "+-" else rf"\times {piece}", rest
        else:
            current = joined
    return [*lines, current]


def split_terms(latex: str) -> list[str]:
    """The terms of a sum with their signs, as they stand outside all brackets."""
    return _split(latex, lambda token, before: token in "+-" and before.endswith(" "))


def _pieces(latex: str, room: float) -> list[str]:
    """Pieces between which a line may end, each no wider than the room where that can be done."""
    terms = split_terms(latex)
    pieces: list[str] = []
    for term in terms:
        pieces += [term] if width(term) <= room else _factors(term, room)
    return pieces


def _factors(term: str, room: float) -> list[str]:
    pieces: list[str] = []
    for factor in _split(term, _begins_factor):
        opening = re.match(r"(?P<before>[+-] )?\\left\((?P<inside>.*)\\right\)(?P<power>\^\{.*\}|\^\w)?$", factor)
        if width(factor) <= room or opening is None:
            pieces.append(factor)
            continue
        inner = _pieces(opening["inside"], room)
        inner[0] = (opening["before"] or "") + r"\biggl(" + inner[0]
        inner[-1] = inner[-1] + r"\biggr)" + (opening["power"] or "")
        pieces += inner
    return pieces


def _begins_factor(token: str, before: str) -> bool:
    starts = token in (r"\left", r"\frac", r"\sqrt", r"\sum", r"\prod", r"\log") or token.isalpha()
    return starts and before.endswith(" ") and not OPEN.search(before)


def _split(latex: str, begins: Callable[[str, str], bool]) -> list[str]:
    """Cut before each token outside all brackets of which `begins(token, what came before)` is true."""
    pieces, current, depth = [], "", 0
    for token in TOKEN.findall(latex):
        if depth == 0 and current.strip(" +-") and begins(token, current):
            pieces.append(current.strip())
            current = ""
        depth += (token == "{") - (token == "}") + (token == r"\left") - (token == r"\right")
        current += token
    return [*pieces, current.strip()]
