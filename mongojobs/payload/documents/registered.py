"""References to objects of any class, as ``register_reference`` allows: stored by a key, loaded fresh from it.

A reference names the class, which is looked up among those of the process and never imported, and the key.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import bson

from mongojobs.core.calling import is_async
from mongojobs.core.errors import (
    DamagedPayloadError,
    DeserializationError,
    DocumentGoneError,
    RegistrationError,
    UndeclaredError,
)
from mongojobs.core.job import current_job
from mongojobs.core.words.naming import public
from mongojobs.payload.registry import full_name, registry, unknown_class
from mongojobs.payload.values.decode import Loaded, ReferenceDecoder
from mongojobs.payload.values.encode import ReferenceEncoder, tagged
from mongojobs.payload.values.refused import RefusedError, reachable

T = TypeVar("T")

TAG: Final = "reference"

Inner = Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class _Way:
    """How the objects of a class and its subclasses are stored and loaded."""

    to_key: Callable[[Any], object]
    load: Callable[[Any, Any], object]


_ways: Final[dict[type, _Way]] = {}
"""By the class that was registered; they belong to the process."""


@public
def register_reference(
    cls: type[T], to_key: Callable[[T], object], load: Callable[[type[T], Any], T | Awaitable[T | None] | None]
) -> None:
    """Allow instances of *cls* and its subclasses as arguments of jobs, by reference.

    *to_key* takes one and returns its key, a value that jobs can have, or None if it is not saved yet. *load* takes the
    class and the key and returns the object as it is now, or None if it is gone: then the job's ``on_missing`` decides.
    It may be ``async def``, and is awaited where async jobs run. Register in a module that the worker imports.

    Raises RegistrationError.
    """
    given: object = cls
    if not inspect.isclass(given) or given is object:
        raise RegistrationError(f"register_reference is for classes of the app's own, got {cls!r:.200}")
    functions: list[tuple[str, object]] = [("to_key", to_key), ("load", load)]
    for name, function in functions:
        if not callable(function) or (is_async(function) and name == "to_key"):
            raise RegistrationError(
                f"{name} must be a plain function, since nothing awaits it, got {function!r:.200}: write `def` for it"
            )
    _ways[cls] = _Way(to_key, load)


class _Others(ReferenceEncoder, ReferenceDecoder, Protocol):
    """The references that are tried after these."""


class RegisteredReferences:
    """Stores and loads objects of registered classes, and leaves all others to *others*."""

    def __init__(self, others: _Others) -> None:
        self._others = others

    def encoder(self, cls: type) -> Callable[[Any, Inner], object] | None:
        """Return what stores the instances of *cls*, None if no reference to them is known."""
        way = _way_of(cls)
        if way is None and _is_of_beanie(cls):
            raise RefusedError(
                f"is of Beanie's {cls.__name__}, which jobs are given by reference: import mongojobs.beanie beside it"
            )
        return self._others.encoder(cls) if way is None else partial(_stored, way)

    def class_name(self, cls: type) -> str | None:
        """Return ``module.qualname`` of a class whose objects are referred to, None for any other class."""
        return self._others.class_name(cls) if _way_of(cls) is None else full_name(cls)

    def classes(self) -> dict[str, type]:
        """Return the classes whose objects are referred to, as far as they are imported, by name."""
        return {**self._others.classes(), **{full_name(cls): cls for cls in _all_classes()}}

    def find_class(self, name: object) -> type | None:
        """Return the imported class of that name; never imports anything."""
        found = self._others.find_class(name)
        return found or next((cls for cls in _all_classes() if full_name(cls) == name), None)

    def decode(self, tag: str, content: Any, inner: Inner, loaded: Loaded) -> object:
        """Return the object that *content* refers to.

        Raises DocumentGoneError, UndeclaredError, DamagedPayloadError, DeserializationError, and what ``load`` raises.
        """
        match tag, content:
            case "reference", {"class": name, "key": key, **rest} if not rest:
                identity = (TAG, name, bson.encode({"": key}))
                if identity not in loaded:
                    loaded[identity] = self._load(name, inner(key))
                return loaded[identity]
            case "reference", _:
                raise DamagedPayloadError("a stored reference has other fields than it should")
            case _:
                return self._others.decode(tag, content, inner, loaded)

    def _load(self, name: object, key: object) -> object:
        cls = self.find_class(name) or registry.renamed_class(name)
        way = None if cls is None else _way_of(cls)
        if cls is None or way is None:
            what = f"no class is called {name!r:.100} to whose objects jobs refer"
            raise unknown_class(name, what, ", and what calls register_reference for it")
        found = way.load(cls, key)
        if inspect.iscoroutine(found):
            found = _awaited(cls, found)
        if found is None:
            raise DocumentGoneError(f"{cls.__name__} {key!s:.100} no longer exists")
        if not isinstance(found, cls):
            raise DeserializationError(f"load of a {cls.__name__} returned {found!r:.100}, which is none")
        return found


def _awaited(cls: type, coroutine: Coroutine[Any, Any, object]) -> object:
    """Return what *coroutine* loads, an object of *cls*. Raises UndeclaredError outside of a job's run."""
    job = current_job()
    if job is None or job.run is None:
        coroutine.close()
        raise UndeclaredError(
            f"a {cls.__name__} is loaded by an async function, which is awaited in the run of a job only: let the job"
            f" return its key, and load it by that"
        )
    return job.run.wait(coroutine)


def is_registered(cls: type) -> bool:
    """Return whether instances of *cls* are stored as references because ``register_reference`` said so."""
    return _way_of(cls) is not None


def _stored(way: _Way, instance: Any, inner: Inner) -> object:
    cls = type(instance)
    key = way.to_key(instance)
    if key is None:
        raise RefusedError(
            f"is a {cls.__name__} that is not saved, so no worker could load it: save it first", unsaved=True
        )
    return tagged(TAG, {"class": reachable(full_name(cls)), "key": inner(key)})


def _way_of(cls: type) -> _Way | None:
    """Return how instances of *cls* are stored: as was registered of itself, or of the nearest of its bases."""
    return next((way for base in cls.__mro__ if (way := _ways.get(base)) is not None), None)


def _is_of_beanie(cls: type) -> bool:
    """Whether ``mongojobs.beanie`` makes *cls* known: by its fields, a document would come back as a stale copy."""
    return any(
        base.__module__.partition(".")[0] == "beanie" and base.__name__ in ("Document", "PydanticObjectId")
        for base in cls.__mro__
    )


def _all_classes() -> Iterator[type]:
    for cls in list(_ways):
        yield cls
        yield from _below(cls)


def _below(cls: Any) -> Iterator[type]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _below(subclass)
