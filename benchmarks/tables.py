"""Measure and write the tables of docs/benchmarks.md.

    python -m benchmarks.tables -o docs/benchmarks.md [--sections completion stiffness] [--seeds 0 1 2] [--quick]

A section that is not asked for stays as it is in the file.  Nothing else should run on the machine.
"""

from __future__ import annotations

if __name__ == "__main__":  # before NumPy and JAX are imported
    from . import one_thread  # noqa: F401

import argparse
import platform
import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import completion_flows, right_hand_side, stiffness

PACKAGES = ("numpy", "scipy", "jax", "diffrax", "scikit-sundae", "numba", "torch")
TITLE = "# Benchmarks\n\nEach section is written by `python -m benchmarks.tables`, which measured it.\n"

COMPLETION = """\
## Completion flows

100 x 100, rank 5, Frobenius norm 100 (so that the typical entry is 1), 2000 entries seen, from a balanced start at
1e-2, to a relative error of 1e-6 of X at the end; {seeds}. The end is where the loss has dropped by 1e4 at depths 2,
3, 4; t = 1.5 at depth 10, t = 0.4 at depth 100; at depth ∞ t = 40 in rescaled time (as at depth 100), where the spaces
of the start are frozen: that flow is one of 5 x 5 blocks.

Each solver takes the loosest tolerance, on a grid of half decades, that reaches the error. Seconds are medians of
rounds in which all take turns in one process, on one core, with one thread; in brackets are the right-hand sides,
those for differenced Jacobians included. What is compiled once is timed apart, in the tables of all configurations.
Thin layers have hidden width 5, full ones 100. PyTorch's gradient descent has no error control: its figure is the time
until the loss is that of the flow's end, at its fastest learning rate, and where it then is differs from the flow's end
by the error in the tables of all configurations. The last column is the time of the fastest peer of the same error over
ours where nothing is chosen: above 1, this is ahead.

{summary}
"""


def completion(quick: bool, seeds: Sequence[int] | None = None, limit: float = completion_flows.LIMIT) -> str:
    """The table of completion flows, and every configuration behind it."""
    depths = [2, 10] if quick else completion_flows.DEPTHS
    seeds = seeds or ([0] if quick else [0, 1, 2])
    comparisons = completion_flows.run(depths, seeds, min(limit, 5.0) if quick else limit)
    shown = f"medians of seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    parts = [COMPLETION.format(seeds=shown, summary=completion_flows.summary(comparisons))]
    for each in comparisons:
        parts.append(
            f"<details><summary>Depth {each.label}, seed {each.seed}, t = {each.problem.end:g}, "
            f"references {each.reference_gap:.0e} apart</summary>\n\n{completion_flows.detail(each)}\n\n</details>\n"
        )
    return "\n".join(parts)


def stiff(quick: bool) -> str:
    """The tables of escape times and of the square problem."""
    return f"## Stiffness\n\n{stiffness.EXPLANATION}\n{stiffness.run(quick)}\n"


def right_hand_sides(quick: bool) -> str:
    """The table of right-hand sides against size and depth."""
    return f"## Right-hand sides\n\n{right_hand_side.EXPLANATION}\n{right_hand_side.run(quick)}\n"


SECTIONS: dict[str, Callable[[bool], str]] = {
    "completion": completion,
    "stiffness": stiff,
    "right-hand-sides": right_hand_sides,
}
"""What can be measured, in the order of the page."""


def machine() -> str:
    """Processor, system, versions and date, in a line."""
    return (
        f"*{_processor()}, one core; {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{', '.join(_versions())}; {date.today().isoformat()}.*"
    )


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown processor"


def _versions() -> list[str]:
    shown = []
    for package in PACKAGES:
        try:
            shown.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            shown.append(f"{package} not installed")
    return shown


def updated(page: str, name: str, text: str) -> str:
    """The page with a section replaced, or added at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.rstrip()}\n\n{machine()}\n{end}"
    if begin not in page:
        return f"{page.rstrip() or TITLE.rstrip()}\n\n{section}\n"
    before, _, rest = page.partition(begin)
    return before + section + rest.partition(end)[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a few minutes: fewer depths, starts and seeds")
    parser.add_argument("--seeds", nargs="+", type=int, help="of the completion flows")
    parser.add_argument("--limit", type=float, default=completion_flows.LIMIT, help="seconds a run of these may take")
    arguments = parser.parse_args()
    sections = SECTIONS | {"completion": partial(completion, seeds=arguments.seeds, limit=arguments.limit)}
    for name in arguments.sections:
        text = sections[name](arguments.quick)
        page = arguments.output.read_text() if arguments.output.exists() else ""
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(updated(page, name, text))


if __name__ == "__main__":
    main()
