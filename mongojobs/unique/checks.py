"""What an app may say about unique jobs; follows the rules of ``core.checks``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal, TypedDict, get_args

from mongojobs.core.checks import plain_text, time_limit
from mongojobs.core.job import JobId
from mongojobs.core.limits import LONGEST_NAME

OnDuplicate = Literal["return", "raise", "replace", "rerun"]
Until = Literal["end", "start"]
Keep = Literal["earlier", "later", "last"]
Unique = bool | str | tuple[str, ...] | list[str] | Callable[..., object]


class UniqueOptions(TypedDict, total=False):
    """What an enqueue and a declaration may both say, for the type checker."""

    unique: Unique | None
    unique_key: JobId | None
    across: str | None
    on_duplicate: OnDuplicate | None
    keep: Keep | None
    unique_until: Until | None
    unique_for: timedelta | float | str | None
    debounce: timedelta | float | str | None
    max_wait: timedelta | float | str | None
    throttle: str | None


_RATE: Final = re.compile(r"\s*(\d+)\s*/\s*(.+)")


def unique(value: object) -> object:
    """Return *value* if it says which arguments make two calls the same."""
    if isinstance(value, bool) or (callable(value) and not isinstance(value, type)):
        return value
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, tuple | list) or not names or not all(isinstance(one, str) and one for one in names):
        raise ValueError("must be True, False, the name of an argument, a tuple of names, or a function of them")
    return tuple(map(plain_text, names))


def word(value: object) -> str:
    """Return *value* if jobs of several names may share it."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise ValueError(f"must be a printable text of 1 to {LONGEST_NAME} characters")
    return plain_text(value)


def _one_of(kind: Any) -> Callable[[object], str]:
    words: tuple[str, ...] = get_args(kind)

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return plain_text(value)

    return check


on_duplicate: Final = _one_of(OnDuplicate)
until: Final = _one_of(Until)
keep: Final = _one_of(Keep)


def throttle(value: object) -> str:
    """Return *value* if it is a rate of one per period, such as ``1/10m``."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a rate such as 1/10m")
    if int(found[1]) != 1:
        raise ValueError("must be 1 per period, such as 1/10m: a key cannot count more than one")
    time_limit(found[2])
    return plain_text(str(value))


def period_of(rate: str) -> timedelta:
    """Return the period of a checked *rate*."""
    return time_limit(rate.partition("/")[2])
