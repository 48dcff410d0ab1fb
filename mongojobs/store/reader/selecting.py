"""From a filter of people's to queries: for each stored state one, by the index that serves it.

A query has two parts. What *keys* ask for, the server answers from the index; for *rest* it must read the documents, so
whoever asks for it says how many at most.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

import bson
from bson import Code, Decimal128, MaxKey, ObjectId, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from mongojobs.core.errors import FilterError
from mongojobs.core.job import ENDED, READY, RUNNING, Document, Job
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.searching.matching import MatchArgument, by_place
from mongojobs.store import indexes
from mongojobs.store.filters import EPOCH

BY_AGE: Final = ("_id",)
BY_TIME: Final = ("run_at", "_id")
BY_LOCK: Final = ("locked_until", "lock_token", "_id")
BY_END: Final = ("finished_at", "_id")

KEYS_LOOKED_AT: Final = 20_000
DOCUMENTS_LOOKED_AT: Final = 10_000
"""How far a list or a bounded count looks for what is rare: in a tenth of a second, both."""
GLANCED_AT: Final = 2_500
"""How many documents a count of one state looks at where all are counted beside each other."""

SWEEP_MILLISECONDS: Final = 60_000
"""How long the server may think about one query that must see everything."""

_CLOCKS_APART: Final = timedelta(minutes=1)
_LONGEST_PLACE: Final = 16_000
_AWARE: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

Position = tuple[Any, ...]
"""The values of an order's fields in one document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Jobs of one stored state, or of all, in the *order* of the *index*."""

    index: str
    order: tuple[str, ...]
    base: Document
    """The state, and the bounds of the order's first field: what the index is entered by."""
    keys: Document
    """What further is looked up in the index."""
    rest: Document
    """What the documents themselves are read for."""
    direction: int = -1
    """How a list walks through the order: ascending (1) or descending (-1)."""

    @property
    def query(self) -> Document:
        """Match all of it."""
        return merged(self.base, self.keys, self.rest)

    @property
    def looked_at(self) -> int | None:
        """How many keys a bounded search walks over in vain; None when it finds something at each."""
        if self.rest:
            return DOCUMENTS_LOOKED_AT
        return KEYS_LOOKED_AT if self.keys else None

    def sort(self, direction: int) -> list[tuple[str, int]]:
        """Return the order, ascending (1) or descending (-1)."""
        return [(field, direction) for field in self.order]

    def position(self, document: Document) -> Position:
        """Return the place of *document* in the order."""
        return tuple(document.get(field) for field in self.order)

    def position_of(self, job: Job) -> Position:
        """Return the place of *job* in the order."""
        return tuple(job.id if field == "_id" else getattr(job, field) for field in self.order)


def as_listed(chosen: JobFilter, *, now: datetime, everything: Document, match: MatchArgument = by_place) -> Selection:
    """Return the jobs that a list shows, of all states if none is named."""
    if not chosen.states:
        return Selection(index="_id_", order=BY_AGE, base={"_id": {"$in": []}}, keys={}, rest={})
    if chosen.state is None:
        rest = merged(
            _ended_between(chosen),
            {"state": READY} if chosen.retrying else {},
            _eq("queue", chosen.queue),
            _eq("priority", chosen.priority),
            _of_name(chosen),
            _of_documents(chosen, match),
        )
        return Selection(index="_id_", order=BY_AGE, base={}, keys={}, rest=rest)
    return _of_state(chosen, chosen.state, now=now, everything=everything, match=match)


def by_state(
    chosen: JobFilter, *, now: datetime, everything: Document, match: MatchArgument = by_place
) -> Iterator[Selection]:
    """Yield the jobs of each state that is meant.

    *everything* matches any value, damaged ones too; *match* knows how arguments are stored.
    """
    for state in chosen.states:
        yield _of_state(chosen, state, now=now, everything=everything, match=match)


def _of_state(
    chosen: JobFilter, state: ShownState, *, now: datetime, everything: Document, match: MatchArgument
) -> Selection:
    by_queue, by_priority = _eq("queue", chosen.queue), _eq("priority", chosen.priority)
    by_name, rest = _of_name(chosen), _of_documents(chosen, match)
    match state:
        case "ready" | "scheduled":
            due: Document = {"$lte": now} if state == "ready" else {"$gt": now}
            direction = -1 if state == "ready" else 1
            base: Document = {"state": READY, "run_at": due}
            index, keys = indexes.READY_BY_TIME, by_queue
            if by_priority:  # of one priority, the indexes of the reserve are in the order of time too
                index = indexes.READY_BY_QUEUE if by_queue else indexes.READY
                base, keys = {**base, **by_queue, **by_priority}, {}
            rest = merged(by_name, rest)
            return Selection(index=index, order=BY_TIME, base=base, keys=keys, rest=rest, direction=direction)
        case "running":
            base = {"state": RUNNING, "locked_until": {"$gte": EPOCH}}
            rest = merged(by_name, by_priority, rest)
            return Selection(index=indexes.RUNNING, order=BY_LOCK, base=base, keys=by_queue, rest=rest)
        case "failed" | "cancelled" | "completed":
            # What ended before a moment was made before it; so the index helps with an age that it does not hold.
            ended = everything if chosen.since is None else {"$gte": chosen.since - _CLOCKS_APART}
            base = {"state": state, "finished_at": ended} | _ended_between(chosen)
            keys, rest = merged(by_queue, by_name), merged(by_priority, rest)
            return Selection(index=indexes.ENDED, order=BY_END, base=base, keys=keys, rest=rest)
        case _:
            assert_never(state)


def of_queue_now(queue: str, *, due: Document) -> Document:
    """Match the ready jobs of *queue* whose ``run_at`` is as *due* says, by the index that begins with the queue."""
    every = {"$gte": LOWEST_PRIORITY, "$lte": HIGHEST_PRIORITY}
    return {"state": READY, "queue": {"$eq": queue}, "priority": every, "run_at": due}


def not_after(selection: Selection, moment: datetime) -> Document:
    """Match the jobs that were as *selection* says at *moment* already, lest a walk meets what comes meanwhile."""
    if selection.base.get("state") in ENDED:
        return {"finished_at": {"$not": {"$gt": moment}}}
    return {"created_at": {"$not": {"$gt": moment}}}


def stretches(selection: Selection, *, everything: Document) -> list[Selection]:
    """Return *selection* in parts that one can walk through: what has a time, and what is damaged there, by its id."""
    field = selection.order[0]
    if selection.base.get(field) != everything:
        return [selection]
    timed = {**selection.base, field: {"$gte": EARLIEST}}
    untimed = {**selection.base, field: {"$not": {"$gte": EARLIEST}}}
    return [replace(selection, base=timed), replace(selection, base=untimed, order=BY_AGE)]


def ranges(order: Sequence[str], position: Position | None, *, direction: int) -> list[Document]:
    """Return queries for what comes after *position* when one walks through *order* in *direction*, one after another.

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
    """Match *edge* and what comes before it when one walks through *order* in *direction*."""
    before = [
        *ranges(order, edge, direction=-direction),
        {field: {"$eq": v} for field, v in zip(order, edge, strict=True)},
    ]
    return merged(_further(order[0], edge[0], -direction, inclusive=True), {"$or": before})


def _further(field: str, value: object, direction: int, *, inclusive: bool) -> Document:
    """Match the values of *field* that the index holds after *value*.

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


EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
_TIMES: Final = (datetime, DatetimeMS)
_TIME_FIELDS: Final = ("run_at", "locked_until", "finished_at")
"""With which the orders begin."""

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
"""The types in the order of the server, where code with a scope is one of its own."""
_LEAST: Final[tuple[object, ...]] = (
    *(float("-inf"), "", {}, b"", ObjectId(b"\0" * 12)),
    *(False, DatetimeMS(-(2**63)), Timestamp(0, 0), Code(""), Code("", {}), MaxKey()),
)
"""The least value of each."""


def _rank(value: object) -> int:
    """Return how many types are not after that of *value*, its own one counted."""
    if isinstance(value, Code):  # which is a text to Python, as True is a number
        return _ORDER.index(Code) + (1 if value.scope is None else 2)
    if isinstance(value, bool):
        return _ORDER.index(bool) + 1
    if isinstance(value, float | Decimal128) and str(value).lower() == "nan":
        return 0  # it stands before all numbers, and compares with none
    return next((at for at, kinds in enumerate(_ORDER, 1) if isinstance(value, kinds)), 0)


def merged(*queries: Document) -> Document:
    """Match what all *queries* match."""
    parts = [query for query in queries if query]
    fields = [field for query in parts for field in query]
    if len(fields) == len(set(fields)):
        return {field: value for query in parts for field, value in query.items()}
    return {"$and": parts}


def to_text(position: Position) -> str:
    """Return *position* as a text that may stand in a URL."""
    return base64.urlsafe_b64encode(bson.encode({"p": list(position)})).decode().rstrip("=")


def to_position(text: object, lengths: Collection[int]) -> Position:
    """Return the position of one of *lengths* that ``to_text`` made into *text*. Raises FilterError for all else."""
    document = _decoded(text) if isinstance(text, str) and len(text) <= _LONGEST_PLACE else {}
    values = document.get("p")
    if not isinstance(values, list) or len(values) not in lengths:
        raise _no_place(text)
    if len(values) > 1 and not isinstance(values[0], _TIMES):
        raise _no_place(text)
    return tuple(values)


def _no_place(text: object) -> FilterError:
    return FilterError(f"no list of this kind goes on after {text!r:.100}: give the `next` of the page before")


def _decoded(text: str) -> Document:
    try:
        return bson.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _AWARE)
    except (ValueError, binascii.Error, BSONError):
        return {}


def _of_documents(chosen: JobFilter, match: MatchArgument) -> Document:
    made: Document = {}
    if chosen.since is not None:
        made["$gte"] = chosen.since
    if chosen.until is not None:
        made["$lt"] = chosen.until
    error = {} if chosen.error is None else {"last_error": _containing(chosen.error)}
    arguments = [match(place, value, as_shown=chosen.as_shown) for place, value in chosen.pairs]
    return merged(
        {"created_at": made} if made else {},
        _eq("tags", chosen.tag),
        {} if chosen.worker is None else {"$or": [_eq(field, chosen.worker) for field in _WORKERS]},
        {"attempts": {"$gt": 0}} if chosen.retrying else {},
        error,
        {"$and": arguments} if arguments else {},
    )


def _ended_between(chosen: JobFilter) -> Document:
    bounds: Document = {}
    if chosen.ended_since is not None:
        bounds["$gte"] = chosen.ended_since
    if chosen.ended_until is not None:
        bounds["$lt"] = chosen.ended_until
    return {"finished_at": bounds} if bounds else {}


_WORKERS: Final = ("locked_by", "errors.worker", "ran_by")
"""Where a job says who runs it, and who ran it."""


def _of_name(chosen: JobFilter) -> Document:
    return merged(_eq("name", chosen.name), *({"name": _containing(word)} for word in chosen.words))


def _containing(text: str) -> Document:
    """Match texts that contain *text*, whatever their case: its own signs mean nothing to the server."""
    return {"$regex": re.escape(text), "$options": "i"}


def _eq(field: str, value: str | int | None) -> Document:
    return {} if value is None else {field: {"$eq": value}}
