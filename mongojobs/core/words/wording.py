"""Times, durations and numbers in words, for the command line and the dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

NONE: Final = "-"

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def iso(moment: datetime) -> str:
    """Return *moment* as ``2026-11-23T10:00:00.000Z``; a naive one is in UTC, like everything in the database."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_words(duration: timedelta) -> str:
    """Return *duration* in its two largest units: ``850ms``, ``12s``, ``3m 20s``, ``2d 4h``."""
    seconds = max(duration.total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    at = next(at for at, (_, size) in enumerate(_UNITS) if seconds >= size)
    parts = []
    for unit, size in _UNITS[at : at + 2]:
        parts.append(f"{int(seconds // size)}{unit}")
        seconds %= size
    return " ".join(part for part in parts if not part.startswith("0"))


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago *moment* was, or how far off it is."""
    if moment is None:
        return NONE
    return f"{in_words(now - moment)} ago" if moment <= now else f"in {in_words(moment - now)}"


def counted(number: int, noun: str) -> str:
    """Return ``1 job``, ``1,200 jobs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's' if not noun.endswith(('s', 'x')) else 'es'}"


def in_seconds(seconds: float) -> str:
    """Return a duration for a sentence: ``12 ms``, ``5.9 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def by_whom(cancellation: Mapping[str, object] | None) -> str:
    """Return who cancelled a job and why, as far as that is known: `` by ann: wrong file``, with the space."""
    by, why = (cancellation or {}).get("by"), (cancellation or {}).get("why")
    return (f" by {by}" if by else "") + (f": {why}" if why else "")


def printable(text: str) -> str:
    """Return *text* without line breaks and terminal control characters: jobs may carry strangers' texts.

    So would marks that turn the direction of reading.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def printable_lines(text: str) -> list[str]:
    """Return the lines of *text*, each made printable."""
    return [printable(line.expandtabs(4)) for line in text.split("\n")]


def to_json(value: object, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """Return *value* as JSON whose only control characters are the line breaks of *indent*.

    Raises TypeError and ValueError for what is no JSON.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
