"""Saying in words when a schedule is due."""

from __future__ import annotations

import re
from typing import Final

from cronsim.explain import Expression

from mongojobs.schedules.times.cron import Cron
from mongojobs.schedules.times.expression import Times

_ENDINGS: Final = {"1": "st", "2": "nd", "3": "rd"}
_ORDINAL: Final = re.compile(r"\b(\d*)(?<!1)([123])th\b")
_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def in_words(times: Times) -> str:
    """Return when *times* are: ``At 09:00 on Monday through Friday``, ``Every 15 minutes``."""
    if isinstance(times, Cron):
        return _cron_in_words(times)
    seconds = int(times.every.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    number = seconds // size
    return f"Every {unit}" if number == 1 else f"Every {number} {unit}s"


def _cron_in_words(times: Cron) -> str:
    """Return the words of ``cronsim``, which says "and" where a day of either kind will do, and "31th"."""
    expression = Expression(["0", *times.fields])
    text = expression.explain()
    if not times.parsed.day_and:
        text = text.replace(f"{expression.day} and {expression.dow}", f"{expression.day} or {expression.dow}")
    return _ORDINAL.sub(lambda found: f"{found[1]}{found[2]}{_ENDINGS[found[2]]}", text)
