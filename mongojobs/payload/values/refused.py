"""Refusing a value at enqueue: where it is inside the argument, and what to pass instead."""

from __future__ import annotations

import io
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath

from mongojobs.core.errors import EnqueueError, UnsavedDocumentError, UnstorableValueError
from mongojobs.payload.records import has_fields, hides, is_unnamed_model, is_value_class

_BY_TYPE: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (
        (types.FunctionType, types.BuiltinFunctionType),
        "functions are not stored: make it a job, or pass what it needs as values",
    ),
    (types.MethodType, "methods are not stored: pass the object, and call its method in the job"),
    ((types.GeneratorType, types.AsyncGeneratorType), "it can be read only once, here: pass list(...) of it"),
    (types.CoroutineType, "await it first and pass its result"),
    (types.ModuleType, "modules are not stored: import it in the job"),
    (io.IOBase, "open files cannot be stored: pass the path or the content"),
    (re.Pattern, "pass bson.Regex.from_native(pattern), or the pattern as a text"),
    ((bytearray, memoryview), "pass bytes(...) of it"),
    (str, "a subclass of str would come back as str: pass str(...) of it"),
    (bool, "pass bool(...) of it"),
    (int, "a subclass of int would come back as int: pass int(...) of it"),
    (float, "a subclass of float would come back as float: pass float(...) of it"),
    (bytes, "a subclass of bytes would come back as bytes: pass bytes(...) of it"),
    (dict, "a subclass of dict would come back as dict: pass dict(...) of it"),
    (list, "a subclass of list would come back as list: pass list(...) of it"),
    (tuple, "a subclass of tuple would come back as tuple: pass tuple(...) of it"),
    (PurePath, "a subclass of a path would come back as a plain one: pass str(...) of it"),
    ((set, frozenset), "a subclass of a set would come back as a plain one: pass set(...) of it"),
    (Mapping, "pass dict(...) of it"),
    (AbstractSet, "pass set(...) of it"),
    (Sequence, "pass list(...) of it"),
    (Iterator, "it can be read only once, here: pass list(...) of it"),
)

_BY_MODULE = {
    "mongojobs": "it belongs to this process: pass an id or a name",
    "_thread": "locks work within one process only: take it in the job",
    "threading": "it means nothing in another process: create it in the job",
    "pymongo": "connections cannot be stored: open it in the job",
    "mongomock": "connections cannot be stored: open it in the job",
    "socket": "connections cannot be stored: open it in the job",
}

REGISTER = "register the class with mongojobs.register, or pass its id"
REGISTER_VALUE = "name its class in a type hint of the job, or register the class with mongojobs.register"
PLAINLY = "pass what the job needs of it as plain values, or, if the class is yours, make it a plain dataclass"


class RefusedError(Exception):
    """Raised where a value cannot be stored, and turned into an EnqueueError at the top.

    Each container on the way up adds its part to ``path``: finding the place costs nothing while all goes well.
    """

    def __init__(self, reason: str, *, unsaved: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unsaved = unsaved
        self.path: list[str] = []

    def at(self, where: str) -> EnqueueError:
        """Return the error for the caller of the enqueue; *where* names the argument."""
        place = where + "".join(reversed(self.path))
        message = f"{place} {self.reason}"
        return UnsavedDocumentError(message) if self.unsaved else UnstorableValueError(message, where=place)


def reachable(name: str) -> str:
    """Return the class name *name*. Raises RefusedError if a worker could not find a class by it."""
    if name.startswith("__main__."):
        raise RefusedError(
            f"is of {name}, and a worker has a different __main__: move the class to a module of its own"
        )
    if "<locals>" in name:
        raise RefusedError(f"is of {name}, which no worker could find: define the class at the top level of a module")
    return name


def advice(kind: type) -> str:
    """Return what to pass instead of an instance of *kind*."""
    package = kind.__module__.partition(".")[0]
    if package in _BY_MODULE:
        return _BY_MODULE[package]
    if is_unnamed_model(kind):
        return f"give it a class of its own, as in class Named({kind.__name__}), and pass an instance of that"
    if is_value_class(kind) and not (has_fields(kind) and hides(kind)):
        return f"it cannot be stored before it is known: {REGISTER_VALUE}"
    for types_, text in _BY_TYPE:
        if issubclass(kind, types_):
            return text
    return f"it cannot be stored as it is: {PLAINLY if hides(kind) else REGISTER}"
