"""The jobs that people mean: by state, queue, name, priority, tag, worker, error, age and arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, get_args
from uuid import UUID

from bson import ObjectId

from mongojobs.core.checks import plain_text
from mongojobs.core.clock import truncate
from mongojobs.core.errors import FilterError
from mongojobs.core.job import ENDED
from mongojobs.core.limits import HIGHEST_PRIORITY, LONGEST_NAME, LOWEST_PRIORITY
from mongojobs.core.searching.typed import Typed

ShownState = Literal["ready", "scheduled", "running", "failed", "cancelled", "completed"]
"""The states as people see them: a job stored as ready that is due later is scheduled."""

SHOWN_STATES: Final[tuple[ShownState, ...]] = get_args(ShownState)

_WAITING: Final = ("ready", "scheduled")

LONGEST_ERROR_TEXT: Final = 200
LONGEST_ARGUMENT: Final = 1000
MOST_ARGUMENTS: Final = 10
MOST_WORDS: Final = 5

_PATH: Final = re.compile(r"\w[\w-]*(?:\.\w[\w-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The jobs that meet every given condition; without any, all jobs.

    *ready* jobs are due, *scheduled* ones are due later. *words* are texts that are all contained in the name, and
    *error* is one contained in the last error, whatever their case. *worker* is the name of the worker that runs the
    job, or ran it in vain, or to its end. *since* and *until* bound when a job was made, the first of them included,
    and *ended_since* and *ended_until* when it ended. *retrying* jobs have failed, and wait for their next attempt.
    *key* is what the unique key is made of, as ``unique_text`` shows it, or its digest, held or not. *schedule* is the
    name of the schedule that enqueued it, at a tick or by hand.
    *arguments* are pairs, or a mapping, of a place and the value there: ``order_id`` by name, also where it was given
    by position, ``0`` for the first positional one, ``order.id`` for what is inside of one, ``target`` for the document
    whose method it is. A document is found by itself or by its id. A value is of its own type: 1 is neither 1.0 nor
    True nor "1", and None is no argument that is missing.

    *as_shown* is for who lets others search: an argument is found only where the dashboard shows it to everybody, so
    that nobody finds out by trying what is masked there.

    Values are compared, never interpreted. Raises FilterError for what cannot be one.
    """

    state: ShownState | None = None
    queue: str | None = None
    name: str | None = None
    words: Sequence[str] = ()
    priority: int | None = None
    tag: str | None = None
    worker: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    retrying: bool = False
    key: str | None = None
    schedule: str | None = None
    arguments: Sequence[tuple[str, Any]] | Mapping[str, Any] = ()
    as_shown: bool = False

    def __post_init__(self) -> None:
        for field, check in _CHECKS.items():
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, check(field, value))

    @property
    def states(self) -> tuple[ShownState, ...]:
        """The states in which jobs can match, fewer if they must have ended or be waiting for another attempt."""
        possible = [state for state in SHOWN_STATES if self.state in (None, state)]
        if self.retrying:
            possible = [state for state in possible if state in _WAITING]
        if self.ended_since is not None or self.ended_until is not None:
            possible = [state for state in possible if state in ENDED]
        return tuple(possible)

    @property
    def pairs(self) -> tuple[tuple[str, Any], ...]:
        """The arguments as pairs, in whatever form they were given."""
        return tuple(self.arguments.items() if isinstance(self.arguments, Mapping) else self.arguments)


def _state(field: str, value: object) -> str:
    if value not in SHOWN_STATES:
        raise _refused(field, f"must be one of {', '.join(SHOWN_STATES)}", value)
    return plain_text(str(value))


def _text(longest: int) -> Any:
    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
            raise _refused(field, f"must be a text of 1 to {longest} characters", value)
        return plain_text(value)

    return check


def _words(field: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise _refused(field, "must be a list of texts", value)
    words = tuple(_text(LONGEST_NAME)(field, word) for word in value)
    if len(words) > MOST_WORDS:
        raise _refused(field, f"must be at most {MOST_WORDS}", len(words))
    return words


def _priority(field: str, value: object) -> int:
    if type(value) is not int or not LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise _refused(field, f"must be a whole number between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}", value)
    return value


def _truth(field: str, value: object) -> bool:
    if type(value) is not bool:
        raise _refused(field, "must be True or False", value)
    return value


def _moment(field: str, value: object) -> datetime:
    try:
        return truncate(value)
    except ValueError:
        raise _refused(field, "must be a datetime with a time zone", value) from None


def _arguments(field: str, value: object) -> tuple[tuple[str, Any], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(pairs, str | bytes) or not hasattr(pairs, "__iter__"):
        raise _refused(field, "must be pairs of a place and a value", value)
    checked = tuple(_argument(field, pair) for pair in pairs)
    if len(checked) > MOST_ARGUMENTS:
        raise _refused(field, f"must be at most {MOST_ARGUMENTS}", len(checked))
    return checked


def _argument(field: str, pair: object) -> tuple[str, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise _refused(field, "must be pairs of a place and a value", pair)
    place, value = pair
    if not isinstance(place, str) or len(place) > LONGEST_NAME or not _PATH.fullmatch(place):
        raise _refused(field, "must have places such as order_id, 0 or order.id", place)
    return plain_text(place), _value(field, value)


def _value(field: str, value: object) -> Any:
    match value:
        case Enum() | Typed() | None | bool() | float() | Decimal() | date() | timedelta() | UUID():
            return value
        case ObjectId():
            return ObjectId(value)  # of Beanie's own class, too: a document is found by what it is in the database
        case str() if len(value) <= LONGEST_ARGUMENT:
            return plain_text(value)
        case int() if -(2**63) <= value < 2**63:
            return value
        case _ if hasattr(type(value), "_meta") and getattr(value, "pk", None) is not None:
            return value
        case _:
            allowed = f"texts of at most {LONGEST_ARGUMENT} characters, numbers, dates, ids, enums or saved documents"
            raise _refused(field, f"must have {allowed}", value)


def _refused(field: str, allowed: str, value: object) -> FilterError:
    return FilterError(f"{field} of a filter {allowed}, got {value!r:.100}")


_CHECKS: Final = {
    "state": _state,
    "queue": _text(LONGEST_NAME),
    "name": _text(LONGEST_NAME),
    "words": _words,
    "priority": _priority,
    "tag": _text(LONGEST_NAME),
    "worker": _text(LONGEST_NAME),
    "error": _text(LONGEST_ERROR_TEXT),
    "since": _moment,
    "until": _moment,
    "ended_since": _moment,
    "ended_until": _moment,
    "retrying": _truth,
    "key": _text(LONGEST_NAME),
    "schedule": _text(LONGEST_NAME),
    "arguments": _arguments,
    "as_shown": _truth,
}
