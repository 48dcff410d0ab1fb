"""How far a job is, as it says itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mongojobs.core.errors import ProgressError
from mongojobs.core.words.wording import in_words

LONGEST_NOTE: Final = 256
"""How much of a note is kept, in bytes."""
LARGEST: Final = 2**53
_UNITS: Final = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400))
LONGEST_LEFT: Final = timedelta(days=366)
_MARKS: Final = 10
"""How long a bar is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: *done*, *of* how many if that is known, and a *note*.

    *at* is when it said so, once that is stored; *rate* is what its last run has done a second.
    """

    done: float
    of: float | None = None
    note: str = ""
    at: datetime | None = None
    rate: float | None = None

    @property
    def share(self) -> float | None:
        """How much of all is done, from 0 to 1; None if it is not known how much there is."""
        return None if not self.of else min(self.done / self.of, 1.0)

    @property
    def left(self) -> timedelta | None:
        """How long the rest takes at this rate; None if that cannot be said."""
        if not self.of or not self.rate:
            return None
        seconds = max(self.of - self.done, 0) / self.rate
        return timedelta(seconds=int(seconds)) if seconds < LONGEST_LEFT.total_seconds() else None

    @property
    def brief(self) -> str:
        """As much as fits a list: ``3 %``, or what is done where that is all that is known."""
        return amount(self.done) if self.share is None else f"{int(self.share * 100)} %"

    @property
    def bar(self) -> str:
        """How much is done as ``[===       ]``, for a terminal; nothing if it is not known how much there is."""
        return "" if self.share is None else f"[{'=' * int(self.share * _MARKS):{_MARKS}}]"

    @property
    def counts(self) -> str:
        """The numbers as people read them: ``1,200 of 40,000``."""
        return amount(self.done) if self.of is None else f"{amount(self.done)} of {amount(self.of)}"

    def said(self, at: datetime) -> Progress:
        """Return it as it is stored: said *at* that time."""
        return Progress(done=self.done, of=self.of, note=self.note, at=at, rate=self.rate)

    def stored(self) -> dict[str, Any]:
        """Return it as a document."""
        fields = {"done": self.done, "of": self.of, "note": self.note, "at": self.at, "rate": self.rate}
        return {name: value for name, value in fields.items() if value not in (None, "")}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Progress:
        """Return what was *stored*; what is damaged counts as nothing."""
        note, at = stored.get("note"), stored.get("at")
        return cls(
            done=_sound(stored.get("done")) or 0,
            of=_sound(stored.get("of")),
            note=note if isinstance(note, str) else "",
            at=(at if at.tzinfo else at.replace(tzinfo=UTC)) if isinstance(at, datetime) else None,
            rate=_sound(stored.get("rate")),
        )


def in_a_line(progress: Progress, *, is_running: bool) -> str:
    """Return *progress* in words: ``1,200 of 40,000 (3 %), 120 a second, 5m 23s left: Ann``."""
    parts = [progress.counts if progress.share is None else f"{progress.counts} ({progress.brief})"]
    if is_running and progress.rate:
        parts.append(pace(progress.rate))
    if is_running and progress.left is not None:
        parts.append(f"{in_words(progress.left)} left")
    return ", ".join(parts) + (f": {progress.note}" if progress.note else "")


def pace(rate: float) -> str:
    """Return a *rate* for people, by the unit of time that makes it readable."""
    unit, seconds = next(((unit, size) for unit, size in _UNITS if rate * size >= 1), _UNITS[-1])
    per = rate * seconds
    return f"{per:,.0f} a {unit}" if per >= 10 else f"{per:.1f} a {unit}"


def checked(name: str, value: object) -> float:
    """Return *value* if it is an amount. Raises ProgressError, which names it."""
    if (amount := _sound(value)) is None:
        raise ProgressError(f"{name} must be a number from 0 to 2**53, got {value!r:.100}")
    return amount


def amount(number: float) -> str:
    """Return *number* for people."""
    return f"{number:,}" if isinstance(number, int) or not number.is_integer() else f"{int(number):,}"


def _sound(value: object) -> float | None:
    """Return *value* as a plain number; None if it is none, or less than 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value) or not 0 <= value <= LARGEST:
        return None
    return int(value) if isinstance(value, int) else float(value)
