"""The architecture, read off the sources: who imports whom, and who asks about depth and rank."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# ------------------------------------------------------------------ imports run in one direction

PACKAGES = ("geometry", "numerics", "derivations")
"""In the order in which they build on one another."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported_packages(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of everything that a module imports absolutely, by statement or by string."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and last_name(node.func) in ("import_module", "__import__"):
            names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        for name in names:
            yield node.lineno, name.partition(".")[0]


def forbidden_imports(source: str, package: str) -> list[str]:
    """The imports of packages that build on this one."""
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    return [f"line {line}: {name}" for line, name in imported_packages(source) if name in above]


def test_imports_run_in_one_direction():
    found = {
        str(path.relative_to(ROOT)): forbidden
        for path in sources()
        if (forbidden := forbidden_imports(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parts[0]))
    }
    assert not found


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("geometry", "import numerics"),
        ("geometry", "import numpy, numerics.flows as flows"),
        ("geometry", "from numerics.flows import gradient_flow"),
        ("geometry", "def late():\n    from derivations import verify"),
        ("geometry", "if TYPE_CHECKING:\n    from numerics import FactoredMatrix"),
        ("geometry", "import importlib\nimportlib.import_module('derivations.report')"),
        ("geometry", "__import__('numerics')"),
        ("numerics", "from derivations import verify"),
    ],
)
def test_a_forbidden_import_is_found(package, source):
    assert len(forbidden_imports(source, package)) == 1


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("geometry", "import geometry.means\nfrom .volume import VolumeForm\nfrom . import numerics"),
        ("geometry", "import numerics_of_others\nimport_module(f'.backends.{name}', __package__)"),
        ("numerics", "from geometry import compile_kernel"),
        ("derivations", "import geometry, numerics, derivations"),
    ],
)
def test_other_imports_are_not(package, source):
    assert forbidden_imports(source, package) == []


def test_geometry_starts_light():
    """Symbolic work needs no numerical library, and a quick start."""
    heavy = ("matplotlib", "numpy", "rich", "scipy", "typer")
    code = f"import sys, geometry; print(*(name for name in {heavy} if name in sys.modules))"
    # From the root of the checkout, so that these sources are imported and not an installed copy.
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.split() == []


# ---------------------------------------------------- depth and rank are asked about in one place

DEPTH_MODULES = {"geometry/multiplier.py", "geometry/network.py", "derivations/definition.py"}
"""The last one is the definition of A_N itself, which checks hold against the others."""
RANK_MODULES = {"geometry/coframe.py", "geometry/metric.py"}
GEOMETRIC_OWNERS = {"self", "network", "metric", "coframe"}
"""Whose `shape` is that of the matrices X; the shape of an array is none of the geometry."""


def last_name(node: ast.AST) -> str:
    """The name of a variable, the last part of an attribute's."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
    return ""


def comparisons(source: str) -> Iterator[tuple[int, ast.expr, ast.expr]]:
    """Line and both sides of every comparison, either way round; a < b < c counts as two, `in` and `match` too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for first, second in pairwise(sides):
                yield node.lineno, first, second
                yield node.lineno, second, first
        elif isinstance(node, ast.Match):
            for case in node.cases:
                for pattern in ast.walk(case.pattern):
                    if isinstance(pattern, ast.MatchValue):
                        yield pattern.lineno, node.subject, pattern.value


def is_one_or_infinity(node: ast.expr) -> bool:
    """1, oo and their other spellings, and collections with one of them."""
    match node:
        case ast.Constant(value=value):
            return value in (1, "oo") and value is not True
        case ast.Name() | ast.Attribute():
            return last_name(node) in {"oo", "inf", "Infinity", "One"}
        case ast.Call(args=[argument]) if last_name(node.func) in {"Integer", "S", "sympify", "int", "float"}:
            return is_one_or_infinity(argument) or (isinstance(argument, ast.Constant) and argument.value == "inf")
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return any(map(is_one_or_infinity, elements))
    return False


def depth_questions(source: str) -> list[str]:
    """Where a module asks whether a depth is 1 or oo."""
    found = [
        f"line {line}: {ast.unparse(depth)} against {ast.unparse(other)}"
        for line, depth, other in comparisons(source)
        if last_name(depth) == "depth" and is_one_or_infinity(other)
    ]
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"is_infinite", "is_finite"}
            and last_name(node.value) == "depth"
        ):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def is_geometric_shape(node: ast.expr) -> bool:
    """`shape`, `network.shape`, `self.metric.shape`, or a side of one of them."""
    match node:
        case ast.Subscript(value=value):
            return is_geometric_shape(value)
        case ast.Name(id="shape"):
            return True
        case ast.Attribute(value=owner, attr="shape"):
            return last_name(owner) in GEOMETRIC_OWNERS
    return False


def is_smaller_side(node: ast.expr, rank: ast.expr) -> bool:
    """A call of min; but a rank handed in may be held against min(array.shape), the array's own."""
    match node:
        case ast.Call(func=ast.Name(id="min"), args=arguments):
            foreign = all(isinstance(side, ast.Attribute) and not is_geometric_shape(side) for side in arguments)
            return not (foreign and isinstance(rank, ast.Name))
    return False


def rank_questions(source: str) -> list[str]:
    """Where a module asks whether a rank is the full one."""
    return [
        f"line {line}: {ast.unparse(rank)} against {ast.unparse(other)}"
        for line, rank, other in comparisons(source)
        if last_name(rank) == "rank" and (is_geometric_shape(other) or is_smaller_side(other, rank))
    ]


@pytest.mark.parametrize(
    ("questions", "allowed"), [(depth_questions, DEPTH_MODULES), (rank_questions, RANK_MODULES)], ids=["depth", "rank"]
)
def test_depth_and_rank_enter_only_where_they_are_defined(questions, allowed):
    found = {str(path.relative_to(ROOT)): questions(path.read_text(encoding="utf-8")) for path in sources()}
    assert {module: asked for module, asked in found.items() if asked and module not in allowed} == {}


def test_the_scan_sees_the_question_where_it_is_asked():
    """Otherwise the test above would pass on sources it does not understand."""
    assert depth_questions((ROOT / "geometry/multiplier.py").read_text(encoding="utf-8"))
    assert depth_questions((ROOT / "geometry/network.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "depth == oo",
        "oo == depth",
        "network.depth is S.Infinity",
        "self.network.depth != sympy.oo",
        "depth == 1",
        "1 < network.depth",
        "depth > 1",
        "depth <= Integer(1)",
        "depth == S.One",
        "depth == math.inf",
        "depth == float('inf')",
        "depth in (1, oo)",
        "depth not in [oo]",
        "0 < depth < oo",
        "x = 3 if depth == oo else 4",
        "match depth:\n    case 1: pass",
        "network.depth.is_infinite",
    ],
)
def test_a_question_about_depth_is_found(source):
    assert len(depth_questions(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "depth == 2",
        "depth == other.depth",
        "isinstance(depth, Symbol)",
        "depth in depths",
        "recursion == 1",
        "count = depth + 1",
        "limit(f, depth, oo)",
        "depth == True",
        "network.layer_count() == 1",
    ],
)
def test_other_comparisons_with_depth_are_not(source):
    assert depth_questions(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "rank < min(shape)",
        "min(m, n) == rank",
        "network.rank == min(network.shape)",
        "network.rank < min(X.shape)",
        "self.rank == self.shape[0]",
        "network.shape[1] > network.rank",
        "metric.rank in metric.shape",
        "rank == network.coframe.shape[0]",
        "[f(rank) for m in sides if rank == min(*shape)]",
    ],
)
def test_a_question_about_rank_is_found(source):
    assert len(rank_questions(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "U.shape[1] != network.rank",
        "rank > min(matrix.shape)",
        "rank < 1",
        "rank == other.rank",
        "shape == other.shape",
        "network.rank == len(values)",
    ],
)
def test_other_comparisons_with_rank_are_not(source):
    assert rank_questions(source) == []
