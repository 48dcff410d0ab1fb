"""What commands print: tables for people, JSON for programs, times and durations in words."""

from __future__ import annotations

import codecs
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from mongojobs.cli.shared.failures import NO, USAGE, Failure
from mongojobs.cli.shared.options import own_option
from mongojobs.core.inside.progress import Progress
from mongojobs.core.words.wording import iso, printable, printable_lines, to_json


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table; numbers are right-aligned, and *alarming* ones red unless they are 0."""

    title: str
    is_number: bool = False
    is_alarming: bool = False


def say(text: str = "", *, err: bool = False) -> None:
    """Print the lines of *text* with everything in them printable: it may quote jobs, and so strangers."""
    click.echo("\n".join(printable_lines(text)), err=err)


def json_option() -> click.Option:
    """Return the ``--json`` flag of the commands that read."""
    return own_option("--json", "as_json", text="print one JSON document instead", is_flag=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print *document*; times are ISO 8601 in UTC with milliseconds, durations seconds."""
    click.echo(json_text(document, indent=2))


def json_text(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return *document* as JSON; in ASCII if standard output is not UTF-8, which programs expect JSON to be."""
    is_unicode = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    return to_json(plain(document), indent=indent, ensure_ascii=not is_unicode)


def print_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[object]]) -> None:
    """Print *rows* under the titles of *columns*."""
    for line in table_lines(columns, rows):
        click.echo(line)


def table_lines(columns: Sequence[TableColumn], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return *rows* under the titles of *columns*; nothing if there are none."""
    if not rows:
        return []
    cells = [[printable(str(value)) for value in row] for row in rows]
    widths = [max(len(line[at]) for line in [[c.title for c in columns], *cells]) for at in range(len(columns))]
    titles = [_padded(column.title, width, column) for column, width in zip(columns, widths, strict=True)]
    lines = [click.style("  ".join(titles).rstrip(), bold=True)]
    for row in cells:
        shown = [_cell(text, width, column) for text, width, column in zip(row, widths, columns, strict=True)]
        lines.append("  ".join(shown).rstrip())
    return lines


def plain(value: Any) -> Any:
    """Return *value* as JSON knows it; whatever JSON lacks becomes text."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return iso(value)
        case timedelta():
            return value.total_seconds()
        case Progress():
            whole = {**dict.fromkeys(("of", "at", "rate")), "note": "", **value.stored(), "left_seconds": value.left}
            return plain(whole)
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return str(value)


def shortened(text: str, width: int) -> str:
    """Return at most *width* characters of *text*."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def confirm(question: str, *, yes: bool, declined: str = "nothing was deleted") -> None:
    """Ask before something is destroyed. Raises Failure if the answer is no, or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} There is no terminal to ask on: add --yes to go ahead", USAGE)
    if not click.confirm(printable(question), err=True):
        raise Failure(declined, NO)


def _padded(text: str, width: int, column: TableColumn) -> str:
    return text.rjust(width) if column.is_number else text.ljust(width)


def _cell(text: str, width: int, column: TableColumn) -> str:
    padded = _padded(text, width, column)
    return click.style(padded, fg="red") if column.is_alarming and text != "0" else padded
