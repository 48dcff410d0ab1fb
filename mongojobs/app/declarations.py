"""The jobs declared by the code imported here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import mongoengine

from mongojobs.enqueuing.asynchronous import AsynchronousMethod
from mongojobs.enqueuing.documents import Delayable
from mongojobs.payload.registry import Declaration, full_name, registry

_NO_OPTIONS: Final = ("name", "target", "kind", "queue", "uniqueness")
"""The parts of a declaration that are shown by themselves."""

_NOT_OF_APPS: Final = ("mongoengine", "mongojobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredJob:
    """A job function, a job class, a method that is always delayed, or a document class whose methods may be.

    *queue* is None where the setting decides, or a function does at each enqueue. *options* are those that were given.
    """

    name: str
    kind: Literal["function", "object", "method", "document"]
    module: str
    queue: str | None
    options: Mapping[str, object]


def declared_jobs() -> list[DeclaredJob]:
    """Return all jobs declared in the modules imported so far, by name."""
    declared = [_of(declaration) for declaration in registry.declarations()]
    declared += [job for cls in _classes() for job in _of_class(cls)]
    return sorted(declared, key=lambda job: job.name)


def _of(declaration: Declaration) -> DeclaredJob:
    return DeclaredJob(
        name=declaration.name,
        kind=declaration.kind,
        module=declaration.target.__module__,
        queue=declaration.queue,
        options=_options(_given(declaration)),
    )


def _of_class(cls: type[Any]) -> Iterator[DeclaredJob]:
    """Yield *cls* if its methods can be delayed, and each of its methods that always is."""
    for name, method in vars(cls).items():
        if isinstance(method, AsynchronousMethod):
            given = {**_given(method.declaration), **method.enqueue_options}
            queue = given.pop("queue") if isinstance(given.get("queue"), str) else None
            yield DeclaredJob(
                name=f"{full_name(cls)}.{name}",
                kind="method",
                module=cls.__module__,
                queue=str(queue) if queue else None,
                options=_options(given),
            )
    if Delayable in cls.__mro__ and issubclass(cls, mongoengine.Document) and not cls._meta.get("abstract"):
        yield DeclaredJob(name=full_name(cls), kind="document", module=cls.__module__, queue=None, options={})


def _given(declaration: Declaration) -> dict[str, object]:
    fields = [field for field in dataclasses.fields(declaration) if field.init and field.name not in _NO_OPTIONS]
    values = {field.name: getattr(declaration, field.name) for field in fields}
    given = {field.name: values[field.name] for field in fields if values[field.name] != field.default}
    return {**given, **declaration.uniqueness}


def _options(given: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: object) -> object:
    """Return *value* as text, a number, or a list of them; classes and functions by name."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | float | str | timedelta):
        return value
    return getattr(value, "__qualname__", repr(value))


def _classes() -> set[type[Any]]:
    """Return the app's document classes and registered classes with all their bases: mixins declare methods, too."""
    found = {*_below(mongoengine.Document), *registry.classes().values()}
    return {base for cls in found for base in cls.__mro__ if base.__module__.partition(".")[0] not in _NOT_OF_APPS}


def _below(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _below(subclass)
