"""Times, durations and numbers in words, for the command line and the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

NONE: Final = "-"

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def iso(moment: datetime) -> str:
    """Return *moment* as ``2026-11-23T10:00:00.000Z``; a naive one is in UTC, as everything in the database."""
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
    """Return how long ago *moment* was, or in how long it will be."""
    if moment is None:
        return NONE
    return f"{in_words(now - moment)} ago" if moment <= now else f"in {in_words(moment - now)}"


def counted(number: int, noun: str) -> str:
    """Return ``1 job``, ``1,200 jobs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's' if not noun.endswith('x') else 'es'}"


def printable(text: str) -> str:
    """Return *text* without line ends and what would command a terminal: jobs may carry texts of strangers."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
