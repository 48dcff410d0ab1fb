"""From BSON back to Python values: a closed table, and an error for anything not in it.

Nothing here is imported, evaluated or called by a name from the document; classes are found in the registry. What the
driver returns counts (with ``tz_aware``), and what mongomock returns: there, a time without zone is UTC.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from uuid import UUID

import bson
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from mongojobs.core.errors import DamagedPayloadError, DeserializationError
from mongojobs.payload import records
from mongojobs.payload.registry import Registry
from mongojobs.payload.values import times
from mongojobs.payload.values.encode import DEEPEST, TAG, TEXTUAL, written_integer

T = TypeVar("T")
S = TypeVar("S", set[object], frozenset[object])

Loaded = dict[object, object]
"""The documents loaded for one payload so far: two references to one document give one object."""

Decode = Callable[[Any, int, Loaded], object]

DAMAGE = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
"""What constructors raise for a stored value of the wrong shape. Database errors are none of these."""


class ReferenceDecoder(Protocol):
    """How the documents of the app's ODM are loaded."""

    def decode(self, tag: str, content: Any, inner: Callable[[object], object], loaded: Loaded) -> object:
        """Return the object stored as *content* of *tag*: ``document``, ``embedded``, ``lazyref`` or ``reference``.

        *inner* loads the values inside. Raises DeserializationError, and errors of the database as they are.
        """

    def find_class(self, name: object) -> type | None:
        """Return the document class called *name*."""
        ...

    def class_name(self, cls: type) -> str | None:
        """Return the name by which the document class *cls* is found, None if it is not one."""
        ...

    def classes(self) -> dict[str, type]:
        """Return all document classes by name."""
        ...


class Decoder:
    """Loads values with one type lookup each."""

    def __init__(self, registry: Registry, references: ReferenceDecoder) -> None:
        self._registry = registry
        self._references = references
        as_is = (str, bool, int, type(None), float, bytes, ObjectId, Decimal128, Timestamp, MinKey, MaxKey, Regex)
        self._by_type: dict[type, Decode | None] = {
            **dict.fromkeys(as_is),
            Int64: lambda value, _depth, _loaded: int(value),
            times.Own.datetime: lambda value, _depth, _loaded: _in_utc(value),
            bson.Binary: lambda value, _depth, _loaded: _plain_bytes(value),
            list: self._list,
            dict: self._dict,
        }
        self._by_tag: dict[str, Decode] = {
            **_SIMPLE,
            "tuple": lambda stored, depth, loaded: tuple(self._items(stored, depth, loaded)),
            "set": lambda stored, depth, loaded: _as_set(set, self._items(stored, depth, loaded)),
            "frozenset": lambda stored, depth, loaded: _as_set(frozenset, self._items(stored, depth, loaded)),
            "pairs": self._pairs,
            "range": self._range,
            "timedelta": self._timedelta,
            "dbref": self._dbref,
            "enum": lambda stored, _depth, _loaded: self._enum(**_parts(stored, "class", "name")),
            "flags": lambda stored, _depth, _loaded: self._flags(**_parts(stored, "class", "names")),
            "class": lambda stored, _depth, _loaded: self.find_class(stored),
            "dataclass": self._dataclass,
            "model": self._model,
            "namedtuple": self._namedtuple,
            "object": self._object,
            **{
                tag: functools.partial(self._reference, tag) for tag in ("document", "embedded", "lazyref", "reference")
            },
        }

    def load(self, stored: object, loaded: Loaded, where: str) -> object:
        """Return the value that was stored, which *where* names in errors, if anything. Raises DeserializationError."""
        try:
            return self.decode(stored, 1, loaded)
        except DeserializationError as error:
            if not where:
                raise
            raise _at(where, error) from error

    def load_all(
        self, stored: Iterable[object], loaded: Loaded, names: Callable[[int], Sequence[str]]
    ) -> tuple[object, ...]:
        """Return the values that were stored; *names* is asked for those of the first so many when one is damaged."""
        decode = self.decode
        values: list[object] = []
        try:
            for one in stored:
                values.append(decode(one, 1, loaded))  # noqa: PERF401 - its length tells which one is damaged
        except DeserializationError as error:
            raise _at(names(len(values) + 1)[-1], error) from error
        return tuple(values)

    def decode(self, stored: object, depth: int, loaded: Loaded) -> object:
        """Return the stored value. Raises DeserializationError."""
        try:
            handler = self._by_type[type(stored)]
        except KeyError:
            raise DamagedPayloadError(f"a stored value is of the type {type(stored).__name__}") from None
        return stored if handler is None else handler(stored, depth, loaded)

    def find_class(self, name: object) -> type:
        """Return the class stored as *name*: a document class or a registered one. Raises UnknownJobError."""
        return self._references.find_class(name) or self._registry.find_class(name)

    def restore(self, cls: type, fields: Mapping[str, object]) -> object:
        """Return an instance of *cls* with *fields*, without calling its ``__init__``. Raises DamagedPayloadError."""
        if records.has_fields(cls):
            return records.make(cls, _completed(cls, fields))
        instance: object = object.__new__(cls)
        _refuse_methods(cls, fields)
        vars(instance).update(fields)
        return instance

    def _list(self, stored: list[object], depth: int, loaded: Loaded) -> list[object]:
        _check_depth(depth)
        decode = self.decode
        return [decode(item, depth + 1, loaded) for item in stored]

    def _dict(self, stored: dict[str, object], depth: int, loaded: Loaded) -> object:
        if TAG in stored:
            return self._tagged(stored, depth, loaded)
        _check_depth(depth)
        decode = self.decode
        return {key: decode(item, depth + 1, loaded) for key, item in stored.items()}

    def _tagged(self, stored: dict[str, object], depth: int, loaded: Loaded) -> object:
        tag = stored[TAG]
        decode = self._by_tag.get(tag) if type(tag) is str else None  # Code is one without a hash
        if decode is None or len(stored) != 2 or "v" not in stored:
            raise DamagedPayloadError(f"a stored value has the unknown tag {tag!r:.100} or more than a tag and a value")
        try:
            return decode(stored["v"], depth, loaded)
        except DAMAGE as error:
            raise DamagedPayloadError(f"a stored {tag} is damaged: {error!s:.500}") from error

    def _items(self, stored: object, depth: int, loaded: Loaded) -> list[object]:
        return self._list(_checked(list, stored), depth, loaded)

    def _pairs(self, stored: object, depth: int, loaded: Loaded) -> dict[object, object]:
        pairs = [(key, value) for key, value in self._lists(stored, depth, loaded)]
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("a key occurs twice")
        return value

    def _lists(self, stored: object, depth: int, loaded: Loaded) -> Iterable[list[object]]:
        _check_depth(depth)
        decode = self.decode
        for pair in _checked(list, stored):
            yield [decode(item, depth + 1, loaded) for item in _checked(list, pair)]

    def _range(self, stored: object, depth: int, loaded: Loaded) -> range:
        start, stop, step = (_checked(int, number) for number in self._items(stored, depth, loaded))
        return range(start, stop, step)

    def _timedelta(self, stored: object, depth: int, loaded: Loaded) -> timedelta:
        return timedelta(microseconds=_checked(int, self.decode(stored, depth, loaded)))

    def _dbref(self, stored: object, depth: int, loaded: Loaded) -> DBRef:
        content = self._fields(stored, depth, loaded)
        parts = _parts(content, "collection", "id", "database", "extra")
        return DBRef(parts["collection"], parts["id"], parts["database"], _checked(dict, parts["extra"]))

    def _enum(self, **parts: object) -> object:
        cls = _checked_class(self.find_class(parts["class"]), enum.Enum)
        return cls[_checked(str, parts["name"])]

    def _flags(self, **parts: object) -> object:
        cls = _checked_class(self.find_class(parts["class"]), enum.Flag)
        members = [cls[_checked(str, name)] for name in _checked(list, parts["names"])]
        return functools.reduce(operator.or_, members, cls(0))

    def _dataclass(self, stored: object, depth: int, loaded: Loaded) -> object:
        parts = _parts(stored, "class", "fields")
        cls = self._value_class(parts["class"])
        if not records.has_fields(cls):
            raise TypeError(f"{cls.__name__} is no longer a dataclass or attrs class")
        return self.restore(cls, self._fields(parts["fields"], depth, loaded))

    def _model(self, stored: object, depth: int, loaded: Loaded) -> object:
        parts = _parts(stored, "class", "fields", "set", "extra", "private")
        cls = self._value_class(parts["class"])
        if not records.is_model(cls):
            raise TypeError(f"{cls.__name__} is no longer a Pydantic model")
        given = [_checked(str, name) for name in _checked(list, parts["set"])]
        fields, extra, private = (
            None if parts[name] is None else self._fields(parts[name], depth, loaded)
            for name in ("fields", "extra", "private")
        )
        return records.make_model(cls, _completed(cls, fields or {}), given, extra=extra, private=private)

    def _namedtuple(self, stored: object, depth: int, loaded: Loaded) -> object:
        parts = _parts(stored, "class", "fields")
        cls = _checked_class(self._value_class(parts["class"]), tuple)
        fields = self._fields(parts["fields"], depth, loaded)
        completed = {**getattr(cls, "_field_defaults", {}), **fields}
        names = cls._fields
        if completed.keys() != set(names):
            raise ValueError(f"{cls.__name__} has the fields {', '.join(names)}, stored are {', '.join(fields)}")
        return tuple.__new__(cls, [completed[name] for name in names])

    def _object(self, stored: object, depth: int, loaded: Loaded) -> object:
        parts = _parts(stored, "class", "fields")
        cls = self._value_class(parts["class"])
        if dataclasses.is_dataclass(cls) or records.is_model(cls) or issubclass(cls, enum.Enum):
            raise TypeError(f"{cls.__name__} is now stored differently")
        return self.restore(cls, self._fields(parts["fields"], depth, loaded))

    def _value_class(self, name: object) -> type:
        """Return the class stored as *name*, whose objects are stored by what is in them. Raises UnknownJobError."""
        cls = self._registry.find_class(name)
        if self._references.class_name(cls) is not None:
            raise TypeError(f"{cls.__name__} is stored as a reference")
        return cls

    def _fields(self, stored: object, depth: int, loaded: Loaded) -> dict[str, object]:
        fields = _checked(dict, self.decode(stored, depth, loaded))
        if not all(isinstance(name, str) for name in fields):
            raise TypeError("a field's name is not text")
        return fields

    def _reference(self, tag: str, stored: object, depth: int, loaded: Loaded) -> object:
        def inner(value: object) -> object:
            return self.decode(value, depth + 1, loaded)

        return self._references.decode(tag, stored, inner, loaded)


def _at(where: str, error: DeserializationError) -> DeserializationError:
    """Return *error* with the place of the value that could not be loaded."""
    return type(error)(f"{where}: {error}")


def _completed(cls: Any, stored: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a class that declares them: the *stored* ones, defaults for the rest."""
    fields = records.fields_of(cls)
    unknown = [name for name in stored if name not in fields]
    if unknown:
        raise DamagedPayloadError(f"{cls.__name__} has no field {unknown[0]!r:.100} any more")
    return {name: stored[name] if name in stored else _default(cls, name, made) for name, made in fields.items()}


def _refuse_methods(cls: type, stored: Mapping[str, object]) -> None:
    """Refuse attributes that would shadow a method, such as a class planted under the name ``perform``."""
    hidden = [name for name in stored if inspect.isroutine(inspect.getattr_static(cls, name, None))]
    if hidden:
        raise DamagedPayloadError(f"a stored attribute of {cls.__name__} has the name of its method {hidden[0]!r:.100}")


def _default(cls: type, name: str, made: records.Default | None) -> object:
    if made is None:
        raise DamagedPayloadError(f"{cls.__name__} needs the field {name!r}, which was not stored: give it a default")
    return made()


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise DamagedPayloadError(f"a stored value is nested more than {DEEPEST} levels deep")


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None or not value.utcoffset() else value.astimezone(UTC)


def _plain_bytes(value: bson.Binary) -> bytes:
    if value.subtype != 0:
        raise DamagedPayloadError(f"a stored value is Binary of the subtype {value.subtype}, without its tag")
    return bytes(value)


def _parts(stored: object, *names: str) -> dict[str, Any]:
    parts: dict[str, Any] = _checked(dict, stored)
    if parts.keys() != set(names):
        raise ValueError(f"it needs the fields {', '.join(names)}")
    return parts


def _checked(cls: type[T], value: object) -> T:
    if type(value) is not cls:
        raise TypeError(f"it is {type(value).__name__} in place of {cls.__name__}")
    return value


def _checked_class(cls: type, base: type) -> Any:
    if not issubclass(cls, base):
        raise TypeError(f"{cls.__name__} is now stored differently")
    return cls


def _as_set(cls: Callable[[list[object]], S], items: list[object]) -> S:
    value = cls(items)
    if len(value) != len(items):
        raise ValueError("an item occurs twice")
    return value


def _canonical(parse: Callable[[str], T], write: Callable[[T], str]) -> Decode:
    """Return a decoder that accepts only texts exactly as *write* makes them."""

    def decode(stored: object, _depth: int, _loaded: Loaded) -> T:
        text = _checked(str, stored)
        value = parse(text)
        if write(value) != text:
            raise ValueError(f"{text!r:.50} is not as we write it")
        return value

    return decode


def _big_integer(text: str) -> int:
    return int(text, 16) if text.removeprefix("-").startswith("0x") else int(text)


def _int64(stored: object, _depth: int, _loaded: Loaded) -> Int64:
    if type(stored) not in (int, Int64):
        raise TypeError("it is not an integer")
    return Int64(stored)  # type: ignore[call-overload, no-any-return]  # checked above


def _binary(stored: object, _depth: int, _loaded: Loaded) -> bson.Binary:
    subtype, content = _checked(list, stored)
    return bson.Binary(_bytes(content), _checked(int, subtype))


def _uuid(stored: object, _depth: int, _loaded: Loaded) -> UUID:
    if isinstance(stored, UUID):  # a client with a UUID representation of its own
        return stored
    if not isinstance(stored, bson.Binary) or stored.subtype != 4:
        raise TypeError("it is not Binary of the subtype 4")
    return UUID(bytes=bytes(stored))


def _bytes(stored: object) -> bytes:
    return _plain_bytes(stored) if isinstance(stored, bson.Binary) else _checked(bytes, stored)


_SIMPLE: dict[str, Decode] = {
    "decimal": _canonical(Decimal, str),
    "bigint": _canonical(_big_integer, written_integer),
    "int64": _int64,
    "binary": _binary,
    "uuid": _uuid,
    "datetime": lambda stored, _depth, _loaded: times.loaded_datetime(stored),
    **{name: _canonical(cls, str) for name, cls in TEXTUAL.items()},
    "date": _canonical(times.Own.date.fromisoformat, times.Own.date.isoformat),
    "time": lambda stored, _depth, _loaded: times.loaded_time(stored),
}
"""The tags whose content holds no nested values."""
