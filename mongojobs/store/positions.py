"""Positions in the order of an index: what comes after one, what comes up to one, and one as text.

Damaged jobs may hold any value, so places are compared as the server does it: by type first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import bson
from bson import Code, Decimal128, MaxKey, ObjectId, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from mongojobs.core.errors import FilterError
from mongojobs.core.job import Document
from mongojobs.store.filters import merged

_LONGEST_PLACE: Final = 16_000
_AWARE: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

Position = tuple[Any, ...]
"""A document's values for the fields of an order."""

EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
"""As a lower bound it selects every time, and nothing else."""


def ranges(order: Sequence[str], position: Position | None, *, direction: int) -> list[Document]:
    """Return queries that, run one after another, find what comes after *position* in *order* and *direction*.

    Each is one stretch of the index: first what shares all fields but the last one with the position, and so on.
    """
    if position is None:
        return [{}]
    places = list(zip(order, position, strict=True))
    return [
        merged(
            {earlier: {"$eq": there} for earlier, there in places[:at]},
            _further(*places[at], direction, inclusive=False),
        )
        for at in reversed(range(len(places)))
    ]


def until(order: Sequence[str], edge: Position, *, direction: int) -> Document:
    """Match *edge* and what comes before it when walking *order* in *direction*."""
    same = {field: {"$eq": value} for field, value in zip(order, edge, strict=True)}
    before = [*ranges(order, edge, direction=-direction), same]
    return merged(_further(order[0], edge[0], -direction, inclusive=True), {"$or": before})


def _further(field: str, value: object, direction: int, *, inclusive: bool) -> Document:
    """Match the values of *field* that come after *value* in the index.

    Times are compared with times alone, since ``stretches`` has set apart what else there is. Other fields may hold any
    type, and the index holds one type after another. A comparison sees only values of its own type: so all is matched
    but what is compared, and whole types.
    """
    if field in _TIME_FIELDS:
        return {field: {f"${'gt' if direction > 0 else 'lt'}{'e' if inclusive else ''}": value}}
    rank, back = _rank(value), "lt" if direction > 0 else "gt"
    other_types = _LEAST[: max(rank - 1, 0)] if direction > 0 else _LEAST[rank:]
    left_out = [{f"${back}{'' if inclusive else 'e'}": value}, *({"$gte": least} for least in other_types)]
    if direction > 0 and rank:
        left_out.append({"$eq": None})
    return {"$and": [{field: {"$not": condition}} for condition in left_out]}


_TIMES: Final = (datetime, DatetimeMS)
_TIME_FIELDS: Final = ("run_at", "locked_until", "finished_at")
"""The fields that begin the orders."""

_ORDER: Final[tuple[type | tuple[type, ...], ...]] = (
    (int, float, Decimal128),
    str,
    dict,
    (bytes, UUID),
    ObjectId,
    bool,
    _TIMES,
    Timestamp,
    Code,
    Code,
    MaxKey,
)
"""The types in the server's order, in which code with a scope is a type of its own."""
_LEAST: Final[tuple[object, ...]] = (
    *(float("-inf"), "", {}, b"", ObjectId(b"\0" * 12)),
    *(False, DatetimeMS(-(2**63)), Timestamp(0, 0), Code(""), Code("", {}), MaxKey()),
)
"""The lowest value of each."""


def _rank(value: object) -> int:
    """Return how many types sort no later than that of *value*, counting its own."""
    if isinstance(value, Code):  # which is a text to Python, as True is a number
        return _ORDER.index(Code) + (1 if value.scope is None else 2)
    if isinstance(value, bool):
        return _ORDER.index(bool) + 1
    if isinstance(value, float | Decimal128) and str(value).lower() == "nan":
        return 0  # it stands before all numbers, and compares with none
    return next((at for at, kinds in enumerate(_ORDER, 1) if isinstance(value, kinds)), 0)


def to_text(position: Position) -> str:
    """Return *position* as text that is safe in a URL."""
    return base64.urlsafe_b64encode(bson.encode({"p": list(position)})).decode().rstrip("=")


def to_position(text: object, lengths: Collection[int]) -> Position:
    """Return the position, of one of *lengths*, that ``to_text`` made into *text*. Raises FilterError for all else."""
    document = _decoded(text) if isinstance(text, str) and len(text) <= _LONGEST_PLACE else {}
    values = document.get("p")
    if not isinstance(values, list) or len(values) not in lengths:
        raise _no_place(text)
    if len(values) > 1 and not isinstance(values[0], _TIMES):
        raise _no_place(text)
    return tuple(values)


def _no_place(text: object) -> FilterError:
    return FilterError(f"no list of this kind continues after {text!r:.100}: give the `next` of the previous page")


def _decoded(text: str) -> Document:
    try:
        return bson.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _AWARE)
    except (ValueError, binascii.Error, BSONError):
        return {}
