"""Reading fields that anyone with write access may have written: damage in one hides nothing else."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

from bson import Int64

from mongojobs.core.limits import LARGEST_COUNT

DAMAGED: Final = "(damaged)"
"""What is shown in place of text that is not text."""

WHOLE: Final = frozenset({int, Int64})
NUMBERS: Final = WHOLE | {float}


def text(value: object) -> str:
    """Return *value* if it is text; an empty text if it is missing."""
    if value is None:
        return ""
    return value if type(value) is str else DAMAGED


def texts(values: object) -> tuple[str, ...]:
    """Return the texts in a list; none if it is missing."""
    if values is None:
        return ()
    return tuple(map(text, values)) if type(values) is list else (DAMAGED,)


def count(value: Any) -> int:
    """Return *value* if it can be a count, else 0."""
    return int(value) if is_count(value) else 0


def is_count(value: Any) -> bool:
    """Whether *value* is a whole number that can be a count."""
    return type(value) in WHOLE and 0 <= value <= LARGEST_COUNT


def are_counts(values: Any) -> bool:
    """Whether *values* is a list of counts."""
    if type(values) is not list or not {*map(type, values)} <= WHOLE:
        return False
    return not values or (min(values) >= 0 and max(values) <= LARGEST_COUNT)


def is_amount(value: Any) -> bool:
    """Whether *value* is a number that can be an amount, fractions included."""
    return type(value) in NUMBERS and 0 <= value <= LARGEST_COUNT


def moment(value: object) -> datetime | None:
    """Return *value*, with its zone, if it is a time that Python can represent."""
    return aware(value) if isinstance(value, datetime) else None


def documents(values: object) -> list[dict[str, Any]]:
    """Return the documents in a list."""
    return [value for value in values if type(value) is dict] if type(values) is list else []


def one_of(value: object, allowed: Collection[str]) -> bool:
    """Whether *value* is one of the texts *allowed*."""
    return type(value) is str and value in allowed


def aware(moment: datetime) -> datetime:
    """Return *moment* with its zone; mongomock returns naive times, which are UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
