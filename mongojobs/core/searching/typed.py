"""What people type for the value of an argument: on a command line, or to search a list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from bson import ObjectId
from bson.errors import BSONError

from mongojobs.core.errors import FilterError

Scalar = str | int | float | bool | Decimal | date | timedelta | UUID | Enum | ObjectId | None
"""What can be compared with an argument, beside documents of the app."""


class Typed(str):
    """A text that was typed, and may mean more than the text: the id, date or member of an enum that is written so."""

    __slots__ = ()

    @property
    def member(self) -> tuple[str, str] | None:
        """The names of the class and the member, if it may be one of an enum."""
        found = _MEMBER.fullmatch(self)
        return None if found is None else (found["cls"], found["member"])


def read_typed(text: str) -> Scalar:
    """Return the value that *text* stands for.

    That is a number, true, false, null or a quoted text as in JSON, a value as a job's page shows it, such as
    ``Decimal('1.10')`` or ``date('2026-01-02')``, else the text. Raises FilterError for a value that cannot be.
    """
    try:
        value: Any = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _as_shown(text)
    return text if isinstance(value, list | dict) else value


def keys(text: str) -> Iterator[ObjectId | UUID]:
    """Yield the ids that are written as *text* is."""
    if ObjectId.is_valid(text):
        yield ObjectId(text)
    if _UUID.fullmatch(text):
        yield UUID(text)


def dates(text: str) -> Iterator[date]:
    """Yield the date or time that is written as *text* is."""
    for kind in (date, datetime):
        try:
            moment = kind.fromisoformat(text)
        except ValueError:
            continue
        if kind is datetime or moment.isoformat() == text:
            yield moment


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MEMBER: Final = re.compile(r"(?P<cls>\w+)\.(?P<member>\w+)")
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "Decimal": Decimal,
    "UUID": UUID,
    "ObjectId": ObjectId,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}
_SHOWN: Final = re.compile(rf"(?P<kind>{'|'.join(_READ)})\((?P<quote>['\"]?)(?P<value>[^'\"()]*)(?P=quote)\)")


def _as_shown(text: str) -> Scalar:
    shown = _SHOWN.fullmatch(text)
    if shown is None:
        typed = Typed(text)
        return typed if typed.member or any(keys(text)) or any(dates(text)) else text
    try:
        value: Scalar = _READ[shown["kind"]](shown["value"])
    except (ValueError, ArithmeticError, BSONError):
        raise FilterError(f"{text!r:.100} is no {shown['kind']}") from None
    return value


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")
