"""
A table, JSON, and a chart of what was measured.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from attrs import define, field

from .workloads import LESS_IS_BETTER, Goal, Workload

US = "Holm Registry"

#: Of each workload: figures of each server, a value each round.
Values = dict[str, dict[str, list[float]]]


@define
class Results:
    """What was measured so far."""

    rounds: int
    values: dict[str, Values] = field(factory=dict)

    def add(self, workload: str, server: str, figures: dict[str, float]) -> None:
        """Note one run."""
        of_server = self.values.setdefault(workload, {}).setdefault(server, {})
        for name, value in figures.items():
            of_server.setdefault(name, []).append(value)

    def median(self, workload: str, server: str, figure: str) -> float | None:
        """Give the median of a figure; None where it was not measured."""
        found = self.values.get(workload, {}).get(server, {}).get(figure)
        return statistics.median(found) if found else None

    def ratio(self, workload: str, other: str, figure: str) -> float | None:
        """Tell how many times better ours is."""
        mine, theirs = (self.median(workload, each, figure) for each in (US, other))
        if not mine or not theirs:
            return None
        is_less = figure in LESS_IS_BETTER or figure.endswith(" ms")
        return theirs / mine if is_less else mine / theirs


def machine() -> str:
    """Describe the machine."""
    cpu, memory = "unknown", 0.0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory = int(line.split()[1]) / 2**20
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    python = platform.python_version()
    return f"{cores} cores of {cpu}, {memory:.0f} GiB, Linux {platform.release()}, Python {python}"


def table(results: Results, workloads: list[Workload]) -> str:
    """Write everything as a table in Markdown."""
    head = ["workload", "figure", US, "other", "", "ratio", "goal", ""]
    rows = [row for workload in workloads for row in _rows(results, workload)]
    lines = [head, ["---", "---", "---:", "---", "---:", "---:", "---:", "---"], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def _rows(results: Results, workload: Workload) -> Iterator[list[str]]:
    of_workload = results.values.get(workload.name, {})
    mine = of_workload.get(US, {})
    for figure, values in mine.items():
        for other in of_workload:
            if other == US or figure not in of_workload[other]:
                continue
            goal = _goal(workload, figure, other)
            ratio = results.ratio(workload.name, other, figure) or 0.0
            wanted = "" if goal is None else f"≥ {goal.ratio}"
            verdict = "" if goal is None else ("yes" if ratio >= goal.ratio else "**no**")
            theirs = _spread(of_workload[other][figure])
            named = [workload.name, figure, _spread(values), other, theirs]
            yield [*named, f"{ratio:.2f}", wanted, verdict]
        bound = next((g for g in workload.goals if g.figure == figure and g.most), None)
        if bound is not None and bound.most is not None:
            is_met = statistics.median(values) <= bound.most
            verdict = "yes" if is_met else "**no**"
            yield [workload.name, figure, _spread(values), "", "", "", f"≤ {bound.most}", verdict]


def _goal(workload: Workload, figure: str, other: str) -> Goal | None:
    goals = (goal for goal in workload.goals if (goal.figure, goal.against) == (figure, other))
    return next(goals, None)


def _spread(values: list[float]) -> str:
    """Write a median, and between what the values lie."""
    median = statistics.median(values)
    if len(values) == 1 or median == 0:
        return _number(median)
    return f"{_number(median)} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def as_json(results: Results, command: str) -> str:
    """Write every value."""
    whole: dict[str, Any] = {"command": command, "machine": machine(), "values": results.values}
    return json.dumps(whole, indent=1) + "\n"


def chart(results: Results, workloads: list[Workload]) -> str:
    """Draw how many times better ours is than registry 2.8.2, with the goals."""
    bars = []
    for workload in workloads:
        for goal in workload.goals:
            if goal.against == "registry 2.8.2":
                ratio = results.ratio(workload.name, goal.against, goal.figure)
                if ratio is not None:
                    bars.append((f"{workload.name}, {goal.figure}", ratio, goal.ratio))
    height, left, width = 22, 260, 420
    most = max([4.0, *(min(ratio, 12.0) for _, ratio, _ in bars)])
    size = f'width="{left + width + 70}" height="{height * len(bars) + 34}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<text x="{left}" y="14">times better than registry 2.8.2; the line is the goal</text>',
    ]
    for number, (name, ratio, goal_ratio) in enumerate(bars):
        y = 24 + number * height
        length = min(ratio, most) / most * width
        colour = "#2f8f5b" if ratio >= goal_ratio else "#c2683c"
        mark = left + goal_ratio / most * width
        lines += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{y}" width="{length:.0f}" height="16" fill="{colour}"/>',
            f'<line x1="{mark:.0f}" y1="{y - 2}" x2="{mark:.0f}" y2="{y + 18}" stroke="#333"/>',
            f'<text x="{left + length + 6:.0f}" y="{y + 13}">{ratio:.1f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
