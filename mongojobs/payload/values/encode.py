"""From Python values to BSON: what BSON can hold is kept as is, what it lacks is tagged, the rest is refused.

A tagged value is ``{"__mj": tag, "v": ...}``. Only exact types are stored: a subclass of str, list or dict would come
back as something else.
"""

from __future__ import annotations

import enum
import functools
import inspect
import operator
from collections.abc import Callable, Container, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from types import MemberDescriptorType
from typing import Any, Final, Protocol
from uuid import UUID

import bson
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from mongojobs.core.words.naming import shown_name
from mongojobs.payload import records
from mongojobs.payload.registry import Registry
from mongojobs.payload.values import times
from mongojobs.payload.values.refused import PLAINLY, REGISTER, RefusedError, advice, reachable

TAG = "__mj"
RESERVED = (TAG, "$ref")
"""Keys that cannot be field names: ours, and the one that makes the driver read any sub-document as a DBRef."""

DEEPEST = 50
"""How deeply values may be nested. A level takes up to three of BSON's, and MongoDB stores at most 180."""

LONGEST_DECIMAL_BITS = 2000
"""Longer integers are written in hexadecimal: Python may refuse to read more than 640 decimal digits."""

TEXTUAL: Final[Mapping[str, type]] = {
    cls.__name__: cls
    for cls in (
        *(PurePosixPath, PureWindowsPath, PosixPath),
        *(IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface),
    )
}
"""Classes whose text says all; it is stored under the name of the class."""

WITH_FIELDS: Final = ("dataclass", "model", "object", "namedtuple", "embedded")
"""The tags of values whose content names a ``class`` and its ``fields``."""

Encode = Callable[[Any, int], object]
"""Stores a value at the given depth of nesting."""


class ReferenceEncoder(Protocol):
    """How the documents of the app's ODM are stored."""

    def encoder(self, cls: type) -> Callable[[Any, Callable[[object], object]], object] | None:
        """Return what stores the instances of *cls*, None if they are not documents; raises RefusedError.

        It is called with the instance and with a function that stores the values inside.
        """

    def class_name(self, cls: type) -> str | None:
        """Return the name by which the document class *cls* is found, None if it is not one."""
        ...


class Encoder:
    """Stores values, with one lookup of the exact type each."""

    def __init__(self, registry: Registry, references: ReferenceEncoder) -> None:
        self._registry = registry
        self._references = references
        self._by_type: dict[type, Encode | None] = {
            **dict.fromkeys((bool, type(None), float, bytes, ObjectId, Decimal128, Timestamp, MinKey, MaxKey)),
            str: _text,
            int: _integer,
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            set: partial(self._set, "set"),
            frozenset: partial(self._set, "frozenset"),
            Int64: _int64,
            Decimal: lambda value, _depth: tagged("decimal", str(value)),
            bson.Binary: lambda value, _depth: tagged("binary", [value.subtype, bytes(value)]),
            UUID: lambda value, _depth: tagged("uuid", bson.Binary(value.bytes, 4)),
            Regex: _regex,
            DBRef: self._dbref,
            times.Own.datetime: _datetime,
            times.Own.date: _date,
            time: lambda value, _depth: tagged("time", times.stored_time(value)),
            range: lambda value, depth: tagged("range", self._list((value.start, value.stop, value.step), depth)),
            **dict.fromkeys(TEXTUAL.values(), _as_text),
            timedelta: lambda value, _depth: tagged("timedelta", _integer(value // _MICROSECOND, 0)),
        }

    def encode(self, value: object, depth: int = 1) -> object:
        """Return *value* as BSON. Raises RefusedError."""
        kind = type(value)
        try:
            handler = self._by_type[kind]
        except KeyError:
            handler = self._by_type[kind] = self._for_class(kind)
        return value if handler is None else handler(value, depth)

    def class_name(self, cls: type) -> str:
        """Return the name under which *cls* is stored. Raises RefusedError if a worker could not find it."""
        name = self._references.class_name(cls) or self._registry.class_name(cls)
        if name is None:
            raise RefusedError(f"is the class {cls.__qualname__}, which is not registered: {REGISTER}")
        return reachable(name)

    def fields(self, instance: Any, depth: int) -> object:
        """Return the state of *instance*, of a registered class: the declared fields, else its ``__dict__``."""
        kind = type(instance)
        _refuse_hidden_state(kind)
        if not records.has_fields(kind):
            return self._named(_attributes(instance), depth)
        values = _values(instance)
        _refuse_other_attributes(instance, values)
        return self._named(values, depth)

    def _for_class(self, kind: type) -> Encode:
        """Return what stores the instances of a class that is not in the table. Raises RefusedError."""
        as_document = self._references.encoder(kind)
        if as_document is not None:
            return lambda value, depth: as_document(value, partial(self.encode, depth=depth + 1))
        if issubclass(kind, type):
            return lambda value, _depth: tagged("class", self.class_name(value))
        stood_in_for = times.stood_in_for(kind)
        if stood_in_for is not None:
            return _datetime if stood_in_for is times.Own.datetime else _date
        self._name(kind)
        if issubclass(kind, enum.Enum):
            return self._enum
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return self._namedtuple
        if records.is_model(kind):
            return self._model
        return partial(self._instance, "dataclass" if records.has_fields(kind) else "object")

    def _name(self, kind: type) -> str:
        """Return the name under which *kind*, the class of a value, is registered now. Raises RefusedError."""
        name = self._registry.class_name(kind)
        if name is None:
            raise RefusedError(f"is {_a(kind)}: {advice(kind)}")
        return reachable(name)

    def _list(self, value: list[object] | tuple[object, ...], depth: int) -> list[object]:
        _check_depth(depth)
        stored: list[object] = []
        try:
            for item in value:
                stored.append(self.encode(item, depth + 1))  # noqa: PERF401 - its length tells which item was refused
        except RefusedError as refused:
            refused.path.append(f"[{len(stored)}]")
            raise
        return stored

    def _dict(self, value: dict[Any, object], depth: int) -> object:
        for key in value:
            if type(key) is not str or key in RESERVED:
                return self._pairs(value, depth)
        _check_depth(depth)
        stored: dict[str, object] = {}
        key = ""
        try:
            for key, item in value.items():
                stored[_key(key)] = self.encode(item, depth + 1)
        except RefusedError as refused:
            refused.path.append(f'["{key}"]')
            raise
        return stored

    def _pairs(self, value: dict[Any, object], depth: int) -> object:
        _check_depth(depth)
        pairs: list[object] = []
        key: object = None
        try:
            for key, item in value.items():
                stored_key = _key(key) if type(key) is str else self.encode(key, depth + 1)
                pairs.append([stored_key, self.encode(item, depth + 1)])
        except RefusedError as refused:
            refused.path.append(f"[{_shown(key)}]")
            raise
        return tagged("pairs", pairs)

    def _named(self, fields: dict[str, object], depth: int) -> object:
        """Store *fields* like a dict, but write ``.name`` in the path."""
        try:
            return self._dict(fields, depth)
        except RefusedError as refused:
            if refused.path:
                refused.path[-1] = "." + refused.path[-1][2:-2]
            raise

    def _tuple(self, value: tuple[object, ...], depth: int) -> object:
        return tagged("tuple", self._list(value, depth))

    def _set(self, tag: str, value: set[object] | frozenset[object], depth: int) -> object:
        _check_depth(depth)
        try:
            items = [self.encode(item, depth + 1) for item in value]
        except RefusedError as refused:
            refused.path.append("{...}")
            raise
        return tagged(tag, sorted(items, key=_sort_key))

    def _enum(self, value: enum.Enum, _depth: int) -> object:
        name = self._name(type(value))
        if isinstance(value, enum.Flag) and value.name not in type(value).__members__:
            return _flags(name, value)
        return tagged("enum", {"class": name, "name": value.name})

    def _namedtuple(self, value: Any, depth: int) -> object:
        _refuse_other_attributes(value, ())
        return tagged("namedtuple", {"class": self._name(type(value)), "fields": self._named(value._asdict(), depth)})

    def _instance(self, tag: str, value: object, depth: int) -> object:
        return tagged(tag, {"class": self._name(type(value)), "fields": self.fields(value, depth)})

    def _model(self, value: Any, depth: int) -> object:
        parts = {"fields": _values(value), **records.beside_fields(value)}
        stored = {name: None if part is None else self._named(part, depth) for name, part in parts.items()}
        return tagged("model", {"class": self._name(type(value)), **stored, "set": sorted(value.model_fields_set)})

    def _dbref(self, value: DBRef, depth: int) -> object:
        extra = {key: item for key, item in value.as_doc().items() if key not in ("$ref", "$id", "$db")}
        content = {"collection": value.collection, "id": value.id, "database": value.database, "extra": extra}
        return tagged("dbref", self._named(content, depth))


_MICROSECOND = timedelta(microseconds=1)


def tagged(tag: str, content: object) -> dict[str, object]:
    """Return the stored form of a value that BSON lacks."""
    return {TAG: tag, "v": content}


def _text(value: str, _depth: int) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RefusedError("holds a lone surrogate, which is not a character: decode it properly first") from None
    return value


def _as_text(value: object, _depth: int) -> object:
    return tagged(type(value).__name__, _text(str(value), 0))


def _key(key: str) -> str:
    if "\0" in key:
        raise RefusedError("has a NUL in its key, which BSON forbids: take it out")
    return _text(key, 0)


def _integer(value: int, _depth: int) -> object:
    if -(2**63) <= value < 2**63:
        return value
    return tagged("bigint", written_integer(value))


def written_integer(value: int) -> str:
    """Return *value* as the text for the tag ``bigint``."""
    return str(value) if value.bit_length() <= LONGEST_DECIMAL_BITS else hex(value)


def _int64(value: Int64, _depth: int) -> object:
    if not -(2**63) <= value < 2**63:
        raise RefusedError("is an Int64 of more than 64 bits: pass int(value)")
    return tagged("int64", int(value))


def _datetime(value: datetime, _depth: int) -> object:
    value = times.in_utc(value if type(value) is times.Own.datetime else times.own_datetime(value))
    return value if times.is_plain(value) else tagged("datetime", times.stored_datetime(value))


def _date(value: date, _depth: int) -> object:
    return tagged("date", value.isoformat())


def _regex(value: Regex[Any], _depth: int) -> object:
    pattern = value.pattern
    if type(pattern) is not str or "\0" in _text(pattern, 0) or bson.decode(bson.encode({"": value}))[""] != value:
        raise RefusedError("is a Regex whose pattern or flags BSON cannot keep: pass them as texts")
    return value


def _flags(name: str, value: enum.Flag) -> object:
    cls = type(value)
    members = [member for member in cls if member in value]
    if functools.reduce(operator.or_, members, cls(0)) != value:
        raise RefusedError(f"is {value!r}, which is not a combination of members of {cls.__name__}")
    return tagged("flags", {"class": name, "names": [member.name for member in members]})


def _sort_key(stored: object) -> bytes:
    """Order the members of a set, so that equal sets are stored alike."""
    return bson.encode({"": stored})


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise RefusedError(f"is nested more than {DEEPEST} levels deep, or contains itself: pass something flatter")


def _refuse_hidden_state(kind: type) -> None:
    """Refuse classes whose instances hold more than we would store: subclasses of dict or Exception, or with slots."""
    if issubclass(kind, enum.Enum):
        raise RefusedError(f"is {_a(kind)}, an enum: pass it as an argument")
    hidden = records.hides(kind)
    if hidden is not None:
        raise RefusedError(f"is {_a(kind)}, which {hidden}: {PLAINLY}")


def _values(instance: object) -> dict[str, object]:
    """Return the values of the fields that the class of *instance* declares. Raises RefusedError if one is not set."""
    names = records.fields_of(type(instance))
    unset = [name for name in names if not hasattr(instance, name)]
    if unset:
        raise RefusedError(f"is {_a(type(instance))} whose field {unset[0]!r} is not set: set it first")
    return {name: getattr(instance, name) for name in names}


def _attributes(instance: object) -> dict[str, object]:
    """Return what was set on *instance*, except what Python adds itself, such as the parameters of a generic class."""
    return {
        name: value
        for name, value in getattr(instance, "__dict__", {}).items()
        if not (name.startswith("__") and name.endswith("__"))
    }


def _refuse_other_attributes(instance: object, fields: Container[str]) -> None:
    """Refuse an instance that holds more than its fields, perhaps set by ``__post_init__``: that would be lost.

    Raises RefusedError. What a ``cached_property`` keeps is made anew.
    """
    kind: type = type(instance)
    for name in (*_attributes(instance), *(slot for slot in _slots(kind) if hasattr(instance, slot))):
        if name not in fields and not isinstance(inspect.getattr_static(kind, name, None), functools.cached_property):
            raise RefusedError(
                f"is a {kind.__name__} with the attribute {name!r}, which is not a field and so would be lost: declare"
                f" it as a field, with field(init=False) if it is not for the constructor, or make it a property"
            )


@functools.lru_cache(maxsize=4096)
def _slots(kind: type) -> list[str]:
    """Return the slots of *kind*, but for those of attrs classes: what is no field there can be made anew."""
    own = [vars(cls) for cls in kind.__mro__ if "__attrs_attrs__" not in vars(cls)]
    return [name for those in own for name, slot in those.items() if isinstance(slot, MemberDescriptorType)]


def _a(kind: type) -> str:
    name = shown_name(kind)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _shown(key: object) -> str:
    return f"{key!r:.50}" if type(key) in (str, bool, float) or _is_short(key) else _a(type(key))


def _is_short(key: object) -> bool:
    return type(key) is int and key.bit_length() <= LONGEST_DECIMAL_BITS
