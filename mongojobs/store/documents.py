"""Jobs as documents: the one place that knows how a field is stored.

``id`` is stored as ``_id``; ``max_run_time`` as whole milliseconds, so that it can be queried; a field without a value
is not stored at all. Fields that this version does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from typing import Any, Final

from bson import Int64, ObjectId

from mongojobs.core.change import Change
from mongojobs.core.errors import DamagedPayloadError
from mongojobs.core.fields import kind_of
from mongojobs.core.inside.progress import Progress
from mongojobs.core.job import FAILED, FIELDS, STATES, Document, Job
from mongojobs.core.limits import HIGHEST_PRIORITY, KEPT_ENTRIES, LARGEST_COUNT, LOWEST_PRIORITY, cut
from mongojobs.store.filters import EPOCH
from mongojobs.store.reading import DAMAGED, WHOLE, aware, count, text

Update = Document | list[Document]
"""A change in MongoDB's form: operators with their fields, or stages."""

_MOST_SHAPES: Final = 1000
_sound_shapes: dict[tuple[object, ...], tuple[str, ...]] = {}
"""Fields with their types, of documents found sound: most jobs are alike, and need not be looked at field by field.

With those of the fields that a ``Job`` has in another form.
"""

_LONGEST_SHOWN_ID: Final = 100
_MILLISECOND: Final = timedelta(milliseconds=1)
_LONGEST_DURATION: Final = timedelta.max // _MILLISECOND

_IDS: Final = frozenset({ObjectId, str, int, Int64})
_TEXT: Final = frozenset({str})
_COMPARABLE: Final = frozenset({str, datetime})
"""Of these types, what is equal is the same."""
_COUNT: Final = WHOLE
_DATE: Final = frozenset({datetime})
_TABLE: Final = frozenset({dict})
_LIST: Final = frozenset({list})
_TRUTH: Final = frozenset({bool})

_TYPES_BY_KIND: Final[dict[str, frozenset[type]]] = {
    "JobId": _IDS,
    "str": _TEXT,
    "State": _TEXT,
    "int": _COUNT,
    "Bytes": _COUNT,
    "bool": _TRUTH,
    "datetime": _DATE,
    "timedelta": _COUNT,
    "Mapping[str, Any]": _TABLE,
    "Progress": _TABLE,
    "tuple[str, ...]": _LIST,
    "tuple[Mapping[str, Any], ...]": _LIST,
}
"""The types in which a field is stored, by its annotation in ``Job``."""
_SHOWN_BY_KIND: Final[dict[str, Any]] = {
    "str": DAMAGED,
    "State": FAILED,
    "int": 0,
    "datetime": EPOCH,
    "Mapping[str, Any]": {},
}
"""What is shown for a required field whose value is missing or damaged."""


def _named(*kinds: str) -> tuple[str, ...]:
    return tuple(field.name for field in FIELDS if kind_of(field) in kinds)


_NAMES: Final = {field.name: "_id" if field.name == "id" else field.name for field in FIELDS}
_TYPES: Final = {_NAMES[field.name]: _TYPES_BY_KIND[kind_of(field)] for field in FIELDS}
_DATES: Final = set(_named("datetime"))
_DURATIONS: Final = _named("timedelta")
_TABLES: Final = _named("tuple[Mapping[str, Any], ...]")
_LISTS: Final = (*_TABLES, *_named("tuple[str, ...]"))
_PROGRESS: Final = _named("Progress")
_TRUTHS: Final = _named("bool")
_COUNTERS: Final = tuple(field.name for field in FIELDS if field.type == "int" and field.default == 0)
_REQUIRED: Final = tuple(_NAMES[field.name] for field in FIELDS if field.default is MISSING or field.default)
_NEVER_NULL: Final = {*_REQUIRED, *_COUNTERS}
_LEFT_OUT_IF_EMPTY: Final = frozenset({*_LISTS, *_TRUTHS})
_NEVER_STORED: Final = {field.name for field in fields(Job)} - {field.name for field in FIELDS}
_NOT_AS_THEY_ARE: Final = _LEFT_OUT_IF_EMPTY | {*_DURATIONS, *_PROGRESS} | _NEVER_STORED
_BLANK: Final[Document] = {_NAMES[field.name]: field.default for field in FIELDS if _NAMES[field.name] in _NEVER_NULL}
_SHOWN_INSTEAD: Final = {
    field.name: _SHOWN_BY_KIND[kind_of(field)] for field in FIELDS if field.name != "id" and field.name in _REQUIRED
}


def to_document(job: Job) -> Document:
    """Return *job* in its stored form."""
    document = {**_BLANK, **vars(job)}
    document["_id"] = document.pop("id")
    document.pop("home", None)
    if _NOT_AS_THEY_ARE.isdisjoint(document) and None not in document.values():
        return document  # as that of most enqueues
    return {
        field: _stored(field, value)
        for field, value in document.items()
        if field not in _NEVER_STORED and (value or (value is not None and field not in _LEFT_OUT_IF_EMPTY))
    }


def to_update(change: Change, *, is_real: bool = True) -> Update:
    """Return *change*, which deletes nothing, as an update.

    One that adds to a history is made of stages, so that it works whatever was there before; mongomock,
    which is not *is_real*, does not know those.
    """
    sets = to_fields(change.sets)
    if change.pushes and is_real:
        return _stages(change, sets)
    update: Document = {"$set": sets} if sets else {}
    if change.pushes:
        pushes = {field: {"$each": [entry], "$slice": -KEPT_ENTRIES} for field, entry in change.pushes.items()}
        update["$push"] = pushes
    if change.adds:
        update["$inc"] = dict(change.adds)
    if change.lowers:
        update["$min"] = dict(change.lowers)
    if taken_away := change.taken_away:
        update["$unset"] = dict.fromkeys(taken_away, "")
    return update


def to_fields(fields: Mapping[str, Any]) -> Document:
    """Return some *fields* of a job in their stored form."""
    if _NOT_AS_THEY_ARE.isdisjoint(fields):
        return dict(fields)
    return {field: _stored(field, value) for field, value in fields.items()}


def read_fields(stored: Document) -> dict[str, Any]:
    """Return what ``to_fields`` returned as a job has it."""
    return {field: _read(field, value) if field in _NOT_AS_THEY_ARE else value for field, value in stored.items()}


def to_joint_update(changes: Sequence[tuple[Job, Change]]) -> Update:
    """Return the changes of several jobs, which set and unset the same fields, as one: each finds its own by its id.

    It costs the server a quarter of what it takes to look at as many changes one after another.
    """
    jobs, [first, *_] = [job for job, _ in changes], [change for _, change in changes]
    place = {"$indexOfArray": [{"$literal": [job.id for job in jobs]}, "$_id"]}
    fields: Document = {}
    for field in first.sets:
        values = [_stored(field, change.sets[field]) for _, change in changes]
        is_one = type(values[0]) in _COMPARABLE and values.count(values[0]) == len(values)
        fields[field] = {"$literal": values[0]} if is_one else {"$arrayElemAt": [{"$literal": values}, place]}
    return [{"$set": fields}, *_taken_away(first)]


def to_job(document: Document) -> Job:
    """Return the job that *document* holds, which becomes its own.

    Raises DamagedPayloadError, naming the field and what is wrong with it; *document* is then as it was.
    """
    shape = (*document, *map(type, document.values()))
    in_other_form = _sound_shapes.get(shape)
    if in_other_form is None:
        values = _checked_fields(document)
        in_other_form = _in_other_form(values)
        if len(values) == len(document) and len(_sound_shapes) < _MOST_SHAPES:
            _sound_shapes[shape] = in_other_form
        document = values
    _check_values(document)
    return _job(document, in_other_form)


def _checked_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value, after checking each one's type. Raises DamagedPayloadError."""
    values: dict[str, Any] = {}
    for field, value in document.items():
        types = _TYPES.get(field)
        if types is None:
            continue
        if type(value) in types:
            values[field] = value
        elif value is not None or field in _NEVER_NULL:
            raise _damaged(field, value)
    for field in _REQUIRED:
        if field not in values:
            raise DamagedPayloadError(f"{field} is missing")
    return values


def _check_values(values: Mapping[str, Any]) -> None:
    if not LOWEST_PRIORITY <= values["priority"] <= HIGHEST_PRIORITY:
        raise DamagedPayloadError(f"priority is {values['priority']}")
    if values["state"] not in STATES:
        raise DamagedPayloadError(f"state is {cut(values['state'], 100)!r}")
    for field in _COUNTERS:
        if not 0 <= values.get(field, 0) <= LARGEST_COUNT:
            raise DamagedPayloadError(f"{field} is {values[field]}")


def to_shown_job(document: Mapping[str, Any]) -> Job:
    """Return the job in *document*, for people to look at: damaged fields are replaced or left out.

    Unless it has failed with an error of its own, ``last_error`` says what is damaged.
    """
    values: dict[str, Any] = {"_id": shown_id(document.get("_id"))}
    for field, types in _TYPES.items():
        value: Any = document.get(field)
        if field != "_id" and type(value) in types and _is_in_range(field, value):
            values[field] = aware(value) if types is _DATE else value
            if field in _TABLES:
                values[field] = [_shown_entry(item) for item in value if type(item) is dict]
            elif field in _LISTS:
                values[field] = [item for item in value if type(item) is str]
        elif field in _SHOWN_INSTEAD:
            values[field] = _SHOWN_INSTEAD[field]
    if "last_error" not in values and (damaged := damage(document)):
        values["last_error"] = f"damaged: {damaged}"
    return _job(values, _in_other_form(values))


def _shown_entry(entry: Document) -> Document:
    """Return an entry of ``errors`` or ``retries`` for people to look at."""
    return {name: _shown_part(name, value) for name, value in entry.items()}


def _shown_part(name: str, value: object) -> object:
    match name:
        case "at":
            return value if isinstance(value, datetime) else EPOCH
        case "attempt":
            return count(value)
        case "error" | "trace" | "worker" | "by":
            return text(value)
        case _:
            return value


def shown_id(value: object) -> Any:
    """Return the id of a job for people; for an impossible id, a description of it."""
    return value if type(value) in _IDS else cut(f"{DAMAGED} {value!r}", _LONGEST_SHOWN_ID)


def _is_in_range(field: str, value: Any) -> bool:
    if field == "priority":
        return bool(LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY)
    if field == "state":
        return value in STATES
    if field in _DURATIONS:
        return bool(0 <= value <= _LONGEST_DURATION)
    return _TYPES[field] is not _COUNT or bool(0 <= value <= LARGEST_COUNT)


def damage(document: Mapping[str, Any]) -> str | None:
    """Return what is wrong with *document*, or None."""
    try:
        to_job(dict(document))
    except DamagedPayloadError as error:
        return str(error)
    return None


def milliseconds(duration: timedelta) -> int:
    """Return *duration* in its stored form."""
    return duration // _MILLISECOND


def _stored(field: str, value: Any) -> Any:
    """Return the *value* of a job's *field* in its stored form."""
    if field in _DURATIONS:
        return milliseconds(value)
    if field in _PROGRESS:
        return value.stored()
    return list(value) if field in _LISTS else value


def _stages(change: Change, sets: Document) -> list[Document]:
    """Return *change* as stages that take no value for an expression; *sets* is what it sets, in stored form."""
    fields: Document = {field: {"$literal": value} for field, value in sets.items()}
    fields |= {field: {"$add": [f"${field}", number]} for field, number in change.adds.items()}
    fields |= {field: {"$min": [f"${field}", moment]} for field, moment in change.lowers.items()}
    fields |= {field: _pushed(field, entry) for field, entry in change.pushes.items()}
    return [{"$set": fields}, *_taken_away(change)]


def _taken_away(change: Change) -> list[Document]:
    return [{"$unset": list(change.taken_away)}] if change.taken_away else []


def _pushed(field: str, entry: Mapping[str, Any]) -> Document:
    """Return the expression that appends *entry* to the list *field*, whatever is stored there."""
    before = {"$cond": [{"$isArray": f"${field}"}, f"${field}", []]}
    return {"$slice": [{"$concatArrays": [before, [{"$literal": entry}]]}, -KEPT_ENTRIES]}


def _job(values: Document, in_other_form: Iterable[str]) -> Job:
    """Return the job with these *values*, each of a type in which its field is stored. Raises DamagedPayloadError."""
    if in_other_form:
        values |= {field: _read(field, values[field]) for field in in_other_form}
    if values["run_at"].tzinfo is None:
        values |= {field: aware(values[field]) for field in _DATES & values.keys()}
    values["id"] = values.pop("_id")
    return Job.of(values)


def _in_other_form(values: Document) -> tuple[str, ...]:
    """Return the fields that are stored in another form than a ``Job`` has them."""
    return tuple(field for field in (*_DURATIONS, *_LISTS, *_PROGRESS) if field in values)


def _read(field: str, value: Any) -> Any:
    """Return the stored *value* of such a field as a ``Job`` has it. Raises DamagedPayloadError."""
    if field in _LISTS:
        return tuple(value)
    if field in _PROGRESS:
        return Progress.read(value)
    try:
        return value * _MILLISECOND
    except OverflowError:
        raise DamagedPayloadError(f"a duration is {value} ms") from None


def _damaged(field: str, value: object) -> DamagedPayloadError:
    wrong = "null" if value is None else f"of the wrong type {type(value).__name__}"
    return DamagedPayloadError(f"{field} is {wrong}")
