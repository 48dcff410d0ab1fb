"""Finding stored calls by an argument of any type, by name even if it was passed by position.

The names are those in the current signatures, as on a job's page. All of it comes to one query, whose size depends on
the code of the app and not on its jobs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from mongojobs.core.errors import EnqueueError, FilterError
from mongojobs.core.job import Document
from mongojobs.core.limits import LONGEST_NAME
from mongojobs.core.searching.matching import exactly, path_of
from mongojobs.core.searching.typed import Typed, dates, keys
from mongojobs.payload.arguments import hides, is_secret, names_at
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.calls.methods import declaration_of, job_method, parameter_names
from mongojobs.payload.documents.registered import is_registered
from mongojobs.payload.registry import Declaration, full_name
from mongojobs.payload.values.encode import TAG, WITH_FIELDS

DEEPEST_IN_OBJECTS: Final = 3
"""How many levels of objects and tuples inside an argument are searched: each doubles what the server compares."""

_LONGEST_NUMBER: Final = 10
"""In digits: the server counts list members in 32 bits, so no argument has a longer number."""


class ArgumentSearch:
    """Turns the place of an argument and its value into a query for stored calls.

    The server compares each part of it with each job that it reads, one by one: so they are few, flat, and loose first.
    """

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    def __call__(self, place: str, value: object, *, as_shown: bool) -> Document:
        """Match the jobs whose argument at *place* is *value*, or refers to the document with that id.

        *as_shown* matches only where the job's page shows that argument to everybody. Raises FilterError for a value
        that no job can have, and for a place that is never shown.
        """
        found = list(self._at(path_of(place), value))
        name, _, inside = place.partition(".")
        for position, calls in self._calls_with(name).items():
            path = f"handler.args.{position}" + (f".{inside}" if inside else "")
            found += [{**query, **called} for called in calls for query in self._at(path, value)]
        query = _loosely_first(found, [self._shown(place)] if as_shown else [])
        return query if place != "target" else {"$or": [query, *self._documents("handler.target", value)]}

    def _shown(self, place: str) -> Document:
        """Match the jobs on whose pages the argument at *place* is not masked.

        Those whose handler has another form than most are left out, such as calls of what a subclass hides.
        """
        if any(is_secret(part) for part in place.split(".")):
            raise FilterError(f"{place!r:.100} is masked, and cannot be searched for")
        name = place.partition(".")[0]
        calls = [*self._functions_that_show(name), *self._objects_that_show(name), *self._methods_that_show(name)]
        return {"handler.v": 1, f"handler.kwargs.{TAG}": {"$exists": False}, "$or": calls}

    def _functions_that_show(self, name: str) -> Iterator[Document]:
        declared = self._payloads.codec.registry.functions()
        shown = [one for one in declared if not hides(one, names_at(name, one.target, one))]
        yield {"handler.kind": "function", "handler.target": {"$in": _all_names(shown)}}

    def _objects_that_show(self, name: str) -> Iterator[Document]:
        shown = [one for one in self._payloads.codec.registry.objects() if not hides(one, names_at(name, None))]
        yield {"handler.kind": "object", "handler.target": {"$in": _all_names(shown)}}

    def _methods_that_show(self, name: str) -> Iterator[Document]:
        classes: dict[tuple[str, ...], list[str]] = {}
        for class_name, cls in self._payloads.codec.target_classes():
            shown = tuple(
                m for m, bound, declared in _methods(cls) if not hides(declared, names_at(name, bound, declared))
            )
            classes.setdefault(shown, []).append(class_name)
        for methods, of in classes.items():
            of_class = [{"handler.target.v.class": {"$in": of}}, {"handler.target": {"$in": of}}]
            kinds = {"$in": ["method", "class_method"]}
            yield {"handler.kind": kinds, "handler.method": {"$in": list(methods)}, "$or": of_class}

    def _calls_with(self, name: str) -> dict[int, list[Document]]:
        """Return queries for the calls of functions with a parameter *name*, by its position."""
        functions: dict[int, list[str]] = {}
        for declaration in self._payloads.codec.registry.functions():
            names = parameter_names(declaration.target)
            if name in names:
                functions.setdefault(names.index(name), []).extend((declaration.name, *declaration.aliases))
        calls = self._method_calls_with(name)
        for position, called in functions.items():
            calls.setdefault(position, []).append({"handler.kind": "function", "name": _one_of_names(called)})
        return calls

    def _method_calls_with(self, name: str) -> dict[int, list[Document]]:
        """Return the same for methods: by job name or, where classes share that name, also by class."""
        classes = _with_mixins(self._payloads.codec.target_classes())
        number = Counter(class_name.rpartition(".")[2] for class_name, _ in classes)
        methods: dict[tuple[int, str], list[str]] = {}
        for class_name, cls in classes:
            shown = class_name.rpartition(".")[2]
            for method, position in _methods_with(cls).get(name, ()):
                key = (position, "" if number[shown] == 1 else class_name)
                methods.setdefault(key, []).extend(f"{shown}{sign}{method}" for sign in "#.")
        calls: dict[int, list[Document]] = {}
        for (position, class_name), names in methods.items():
            for of_class in _of_class(class_name):
                calls.setdefault(position, []).append({**of_class, "name": _one_of_names(names)})
        return calls

    def _at(self, path: str, value: object) -> Iterator[Document]:
        """Yield queries for *value* at *path*, whatever contains it."""
        root, inner = _split(path)
        for where, holders, unwanted in _places(root, inner):
            for query in self._forms(where, value):
                yield {**query, **holders, "$nor": [*query["$nor"], *unwanted]}

    def _forms(self, path: str, value: object) -> Iterator[Document]:
        """Yield queries for *value* at *path*: itself, an enum member stored that way, and documents."""
        if not _is_document(value):
            yield self._one_of(path, _readings(value))
        if isinstance(value, Typed) and value.member:
            cls, member = value.member
            of_class = {f"{path}.{TAG}": "enum", f"{path}.v.class": {"$regex": rf"(^|\.){re.escape(cls)}$"}}
            yield {**of_class, f"{path}.v.name": member, "$nor": [_is_list(path)]}
        yield from self._documents(path, value)

    def _documents(self, path: str, value: object) -> Iterator[Document]:
        """Yield queries for a reference at *path* to the document *value*, or to one with the id *value*."""
        of_class: Document = {}
        if _is_document(value):
            of_class = {f"{path}.v.class": {"$in": self._payloads.codec.registry.class_names(type(value))}}
            value = value.pk  # type: ignore[attr-defined]  # which a document has
        if value is None or isinstance(value, bool) or is_registered(type(value)):
            return
        lazy: Any = "lazyref" if of_class else {"$in": ["lazyref", "dbref"]}
        kinds: list[tuple[Any, str]] = [
            ("document", "key._id"),
            (lazy, "id"),
            *([] if of_class else [("reference", "key")]),
        ]
        for tag, key in kinds:
            query = self._one_of(f"{path}.v.{key}", _keys(value))
            yield {f"{path}.{TAG}": tag, **of_class, **query, "$nor": [*query["$nor"], _is_list(path)]}

    def _one_of(self, path: str, values: Sequence[object]) -> Document:
        """Match any of *values* at *path*; several are always one text and what it may mean, and never numbers."""
        stored = [self._stored(value) for value in values]
        several: Document = {path: {"$in": stored}, "$nor": [_is_list(path)]}
        query = exactly(path, stored[0]) if len(stored) == 1 else several
        return {**query, "$nor": [*query["$nor"], *_elsewhere(path, stored)]}

    def _stored(self, value: object) -> object:
        try:
            return self._payloads.codec.encode(value, "the argument")
        except EnqueueError as error:
            raise FilterError(f"no job can have such an argument: {error}") from None


def _loosely_first(found: Sequence[Document], further: Sequence[Document]) -> Document:
    """Match any of *found* that also matches all of *further*.

    What takes most of the time, the ``$nor`` of *found* and *further*, the server looks at for those jobs alone that
    match without: an ``$or`` comes first to it, and a ``$nor`` last.
    """
    loose = [{field: wanted for field, wanted in query.items() if field != "$nor"} for query in found]
    return {"$or": loose, "$nor": [{"$nor": list(found)}, *({"$nor": [query]} for query in further)]}


def _with_mixins(classes: Iterable[tuple[str, type]]) -> list[tuple[str, type]]:
    """Return *classes* plus their bases, documents or not, whose methods a job may reach through ``super()``."""
    known = dict(classes)
    bases = {base for cls in known.values() for base in cls.__mro__ if any(map(declaration_of, _bound(base).values()))}
    return list({**{full_name(base): base for base in bases}, **known}.items())


def _of_class(class_name: str) -> list[Document]:
    """Return queries for calls of methods of a class, or of any class if none is named."""
    if not class_name:
        return [{"handler.method": {"$gt": ""}}]
    return [{field: class_name} for field in ("handler.target.v.class", "handler.target", "handler.owner")]


def _one_of_names(names: Sequence[str]) -> Document:
    return {"$in": [name[:LONGEST_NAME] for name in names]}


def _split(path: str) -> tuple[str, list[str]]:
    """Return the path of the argument itself, and the steps inside it."""
    parts = path.split(".")
    return ".".join(parts[:3]), parts[3:]


def _places(root: str, inner: Sequence[str]) -> Iterator[tuple[str, Document, list[Document]]]:
    """Yield the paths at which *inner* may be: in dicts and lists, tuples, and the fields of objects.

    With what the values on the way must be, and what they must not.
    """
    if not inner:
        yield root, {}, []
        return
    first, *rest = inner
    plain = [] if first.isdecimal() else [_is_list(root), {f"{root}.{TAG}": {"$exists": True}}]
    for path, holders, unwanted in _places(f"{root}.{first}", rest):
        yield path, holders, [*plain, *unwanted]
    if len(inner) > DEEPEST_IN_OBJECTS:
        return
    tags: Any = "tuple" if first.isdecimal() else {"$in": list(WITH_FIELDS)}
    tagged = f"{root}.v.{first}" if first.isdecimal() else f"{root}.v.fields.{first}"
    for path, holders, unwanted in _places(tagged, rest):
        yield path, {f"{root}.{TAG}": tags, **holders}, [_is_list(root), *unwanted]


def _elsewhere(path: str, stored: Sequence[object]) -> Iterator[Document]:
    """Yield the false matches at the *path* of a positional argument: its number as a key inside another argument."""
    array, _, place = path.rpartition(".")
    if array == "handler.args" and len(place) < _LONGEST_NUMBER:
        there = {"$cond": [{"$isArray": f"${array}"}, {"$arrayElemAt": [f"${array}", int(place)]}, None]}
        yield {"$expr": {"$and": [{"$ne": [there, {"$literal": one}]} for one in stored]}}


def _is_list(path: str) -> Document:
    """Match a list at *path*: the server would search its members, too."""
    return {path: {"$type": "array"}}


def _readings(value: object) -> list[object]:
    """Return the values that *value* may mean: for typed text, also the id or date it spells."""
    return [str(value), *keys(value), *dates(value)] if isinstance(value, Typed) else [value]


def _keys(value: object) -> list[object]:
    """Return the ids that *value* may be: for a text, also the one it spells."""
    return [str(value), *keys(value)] if isinstance(value, str) and not isinstance(value, Enum) else [value]


def _is_document(value: object) -> bool:
    """Return whether *value* is a document of MongoEngine; other references are found as they are stored."""
    return hasattr(type(value), "_meta") and hasattr(value, "pk") and not is_registered(type(value))


def _all_names(declared: Sequence[Declaration]) -> list[str]:
    return [name for one in declared for name in (one.name, *one.aliases)]


def _bound(cls: type) -> dict[str, object]:
    """Return what *cls* itself binds to its instances; other attributes are left alone, as proxies may raise."""
    return {name: value for name, value in vars(cls).items() if hasattr(type(value), "__get__")}


@lru_cache(maxsize=4096)
def _methods(cls: type) -> list[tuple[str, Callable[..., object], Declaration | None]]:
    """Return the methods of *cls* that can be jobs, bound, each with its declaration."""
    names = sorted({name for base in cls.__mro__ for name in _bound(base)})
    return [(name, *found) for name in names if (found := job_method(cls, name)) is not None]


@lru_cache(maxsize=4096)
def _methods_with(cls: type) -> dict[str, list[tuple[str, int]]]:
    """Return, by parameter name, the methods of *cls* that have it, and its position."""
    found: dict[str, list[tuple[str, int]]] = {}
    for method, bound, _ in _methods(cls):
        for position, name in enumerate(parameter_names(bound)):
            found.setdefault(name, []).append((method, position))
    return found
