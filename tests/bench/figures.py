"""What the figures are called, what they must be, and the table of them."""

import itertools
import json
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it must be at least (`>=`) or at most (`<=`), and what it should be."""

    name: str
    sign: str = ""
    must: float | None = None
    aim: float | None = None

    def holds(self, value: float, bound: float | None) -> bool:
        """Whether *value* keeps to *bound*."""
        compare: Callable[[float, float], bool] = operator.ge if self.sign == ">=" else operator.le
        return bound is None or compare(value, bound)


@dataclass(frozen=True, slots=True)
class Result:
    """A figure with its value in each run."""

    figure: Figure
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value that counts."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Say whether it is what it must be, or even what it should be."""
        figure = self.figure
        if figure.must is None and figure.aim is None:
            return ""
        if not figure.holds(self.median, figure.must):
            return "MISSED"
        return "aim" if figure.holds(self.median, figure.aim) else "must"

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        figure = self.figure
        told = {"sign": figure.sign, "must": figure.must, "aim": figure.aim, "verdict": self.verdict}
        return {"figure": figure.name, "median": self.median, "values": list(self.values), **told}


def gathered(runs: Iterable[Mapping[str, float]], figures: Mapping[str, Figure]) -> list[Result]:
    """Return the results of all *runs*; a measure that is no figure of the table stands at the end, without bounds."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.items():
            values.setdefault(name, []).append(value)
    order = {name: place for place, name in enumerate(figures)}
    names = sorted(values, key=lambda name: order.get(name, len(order)))
    return [Result(figures.get(name, Figure(name)), tuple(values[name])) for name in names]


def keep(found: Mapping[str, float], file: Path) -> None:
    """Add what was measured to *file*, as a line of JSON: what is there stays."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(found) + "\n")


def saved(file: Path) -> list[dict[str, float]]:
    """Return what ``keep`` has added to *file*."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(results: Iterable[Result]) -> str:
    """Return *results* as a table in Markdown."""
    lines = ["| figure | median | spread | must | aim | |", "|---|---|---|---|---|---|"]
    for one in results:
        figure = one.figure
        spread = f"{shown(min(one.values))} to {shown(max(one.values))}"
        must, aim = (f"{figure.sign} {bound:g}" if bound is not None else "" for bound in (figure.must, figure.aim))
        lines.append(f"| {figure.name} | {shown(one.median)} | {spread} | {must} | {aim} | {one.verdict} |")
    return "\n".join(lines)


def put(new: str, page: Path) -> None:
    """Put the rows of the table *new* where *page* has one with the same head; rows that were not measured stay."""
    head, rule, *rows = new.splitlines()
    text = page.read_text(encoding="utf-8")
    before, found, after = text.partition(f"{head}\n{rule}\n")
    if not found:
        return
    old = list(itertools.takewhile(lambda line: line.startswith("|"), after.splitlines()))
    by_name = {row.split(" | ")[0]: row for row in rows}
    there = [by_name.pop(row.split(" | ")[0], row) for row in old]
    rest = "".join(after.splitlines(keepends=True)[len(old) :])
    page.write_text(
        before + found + "".join(f"{row}\n" for row in [*there, *by_name.values()]) + rest, encoding="utf-8"
    )


def shown(value: float) -> str:
    """Return *value* with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
