"""Where a job is in its rows, for its next run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

NOTHING: Final = object()
"""In place of a key: before the first row."""

MOST_ASIDE: Final = 100
"""How many of the rows set aside are kept by name."""


@dataclass(slots=True)
class Cursor:
    """The place of one pass over rows.

    ``passed`` is the key of the last row that is done, and how many are. While it ``is_open``, a run is in the rows; a
    next run that finds it so knows that this one died there. Then it is wary for some seconds, and notes the row that
    it is ``at`` before it begins with it: so it is known at which row the next death was.
    """

    name: str
    passed: tuple[Any, int] = (NOTHING, 0)
    at: Any = NOTHING
    deaths: int = 0
    wary: float = 0.0
    aside: tuple[Mapping[str, Any], ...] = ()
    is_open: bool = False

    def stored(self) -> dict[str, Any]:
        """Return it as a document."""
        key, count = self.passed
        fields = {"key": key, "count": count, "at": self.at, "deaths": self.deaths, "wary": self.wary}
        fields |= {"aside": list(self.aside), "open": self.is_open}
        return {"name": self.name, **{name: value for name, value in fields.items() if _is_there(name, value)}}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Cursor:
        """Return what was *stored*; what is damaged counts as nothing."""
        return cls(
            name=str(stored.get("name")),
            passed=(stored.get("key", NOTHING), _count(stored.get("count"))),
            at=stored.get("at", NOTHING),
            deaths=_count(stored.get("deaths")),
            wary=float(wary) if isinstance(wary := stored.get("wary"), int | float) else 0.0,
            aside=tuple(one for one in _list(stored.get("aside")) if isinstance(one, Mapping)),
            is_open=stored.get("open") is True,
        )

    def blame(self, *, wary: float) -> None:
        """Note that a run died in the rows; the next ones are *wary* for so many seconds."""
        self.deaths += 1
        self.wary = wary

    def set_aside(self, row: str, now: datetime) -> None:
        """Pass over the row that it is at, and keep it as *row*."""
        entry = {"key": self.at, "row": row, "at": now, "deaths": self.deaths}
        self.aside = (*self.aside, entry)[-MOST_ASIDE:]
        self.passed, self.at, self.deaths = (self.at, self.passed[1]), NOTHING, 0

    def pass_row(self, key: Any, seconds: float) -> None:
        """Note that the row with *key* is done, which took so many *seconds*."""
        self.passed = key, self.passed[1] + 1
        if self.at is not NOTHING:
            self.at = NOTHING
            self.wary = max(self.wary - seconds, 0.0)
            self.deaths = self.deaths if self.wary else 0


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that was left out, for people to look at."""

    rows: str
    row: str
    at: datetime | None
    deaths: int


def rows_aside(stored: Iterable[Mapping[str, Any]]) -> list[ShownRow]:
    """Return the rows that the stored cursors have left out."""
    cursors = [Cursor.read(one) for one in stored]
    return [_shown(cursor.name, one) for cursor in cursors for one in cursor.aside]


def _shown(rows: str, entry: Mapping[str, Any]) -> ShownRow:
    at = entry.get("at")
    return ShownRow(rows, str(entry.get("row")), at if isinstance(at, datetime) else None, _count(entry.get("deaths")))


def closed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored cursor as a run leaves it that has ended in order."""
    return {name: value for name, value in stored.items() if name not in ("open", "at")}


def _is_there(name: str, value: object) -> bool:
    """Whether *value* says something: a key may be 0, unlike a count."""
    return value is not NOTHING and (bool(value) or name in ("key", "at"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 2**53 else 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
