"""Durations as people write them: ``90``, ``90s``, ``15m``, ``2h``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

LONGEST_DURATION: Final = timedelta(days=366 * 100)
"""A longer one would leave the calendar, now or when added to a date."""

_TEXT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> timedelta:
    """Return *value* as a duration: a ``timedelta``, a number of seconds, or a text such as ``15m``.

    Raises ValueError that says what is allowed.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else _seconds(value)
    if not abs(seconds) <= LONGEST_DURATION.total_seconds():  # nor is it not-a-number
        raise ValueError("must be a duration of at most 100 years")
    return value if isinstance(value, timedelta) else timedelta(seconds=seconds)


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 90, 90s, 15m, 2h or 7d")
    return float(match["number"]) * _UNITS[match["unit"] or "s"]


def format_duration(duration: timedelta) -> str:
    """Return *duration* in its largest whole unit: ``4h``, ``90s``, ``1.5s``."""
    seconds = duration.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"
