"""What the values that an app passes must be.

Each check returns the value in its own type. One that refuses it raises ValueError with the rest of a sentence that
begins with the value's name: ``must be more than 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from mongojobs.core.clock import truncate
from mongojobs.core.limits import HIGHEST_PRIORITY, LARGEST_LOG, LONGEST_NAME, LOWEST_PRIORITY, SMALLEST_LOG
from mongojobs.core.words.durations import parse_duration
from mongojobs.core.words.sizes import parse_size

Check = Callable[[Any], Any]

MOST_TAGS: Final = 100


def plain_text(value: str) -> str:
    """Return *value* as plain text: bson has a subclass that is JavaScript to the server.

    Raises TypeError for what is no text.
    """
    return str.__str__(value)


def queue_name(value: object) -> str:
    """Return *value* if it is a valid queue name."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise ValueError(f"must be a printable text of 1 to {LONGEST_NAME} characters")
    value = plain_text(value)
    if value != value.strip() or "," in value or value.startswith("$"):
        raise ValueError("must not begin with $, contain a comma, or begin or end with a space")
    return value


def priority(value: object) -> int:
    """Return *value* if it is a valid priority."""
    if not isinstance(value, int) or isinstance(value, bool) or not LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise ValueError(f"must be a whole number between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}")
    return int(value)


def attempts(value: object) -> int:
    """Return *value* if it is a valid number of attempts."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= HIGHEST_PRIORITY:
        raise ValueError("must be a whole number of 1 or more")
    return int(value)


def moment(value: object) -> datetime:
    """Return *value*, an aware time, in UTC and whole milliseconds."""
    if not isinstance(value, datetime):
        raise ValueError("must be a datetime with a time zone")
    if value.utcoffset() is None:
        raise ValueError("must have a time zone, as datetime.now(UTC) has")
    return truncate(value)


def delay(value: object) -> timedelta:
    """Return *value* as a duration, which may be zero."""
    duration = parse_duration(value)
    if duration < timedelta(0):
        raise ValueError("must be 0 or more")
    return duration


def time_limit(value: object) -> timedelta:
    """Return *value* as a duration longer than zero."""
    duration = parse_duration(value)
    if duration <= timedelta(0):
        raise ValueError("must be more than 0")
    return duration


def log_size(value: object) -> int:
    """Return how much of a log is kept, in bytes, given as a number or as a text such as ``64k``."""
    size = parse_size(value)
    if not SMALLEST_LOG <= size <= LARGEST_LOG:
        raise ValueError("must be between 4k and 16m")
    return size


def tags(value: object) -> tuple[str, ...]:
    """Return *value* if it is a list of texts, neither too long nor too many."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError("must be a list of texts")
    if len(value) > MOST_TAGS:
        raise ValueError(f"must be at most {MOST_TAGS} texts")
    if not all(isinstance(tag, str) and 0 < len(tag) <= LONGEST_NAME for tag in value):
        raise ValueError(f"must be texts of 1 to {LONGEST_NAME} characters")
    return tuple(map(plain_text, value))


def mapping(value: object) -> Mapping[str, Any]:
    """Return *value* if it is a mapping, such as a dict."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a dict")
    return value


def session(value: object) -> object:
    """Return *value* if it looks like a PyMongo session."""
    if not hasattr(value, "in_transaction"):
        raise ValueError("must be a PyMongo ClientSession")
    return value


def job_id(value: object) -> object:
    """Return *value* if it is a valid job id."""
    from bson import ObjectId  # noqa: PLC0415 - not for those who only want to know which options there are

    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return plain_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise ValueError(f"must be an ObjectId, a 64-bit int or a printable text of 1 to {LONGEST_NAME} characters")
