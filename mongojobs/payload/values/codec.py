"""Python values to BSON and back, equal in type and value, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from mongojobs.core.errors import DamagedPayloadError
from mongojobs.payload.registry import Registry
from mongojobs.payload.values.decode import DAMAGE, Decoder, Loaded, ReferenceDecoder
from mongojobs.payload.values.encode import Encoder, ReferenceEncoder
from mongojobs.payload.values.refused import RefusedError


class References(ReferenceEncoder, ReferenceDecoder, Protocol):
    """How the documents of an ODM are stored and loaded; ``payload.references`` is the one for MongoEngine."""


class Codec:
    """Encodes and decodes values; *references* knows the documents, *registry* the other classes."""

    def __init__(self, registry: Registry, references: References) -> None:
        self.registry = registry
        self._references = references
        self._encoder = Encoder(registry, references)
        self._decoder = Decoder(registry, references)
        self.decode_all: Callable[[Iterable[object], Loaded, Callable[[int], Sequence[str]]], tuple[object, ...]]
        self.decode_all = self._decoder.load_all
        """Does what ``decode`` does for many values."""

    def encode(self, value: object, where: str) -> Any:
        """Return *value* in a form that BSON can hold; *where* names it in errors, such as ``argument 'users'``.

        Raises UnstorableValueError, and UnsavedDocumentError for a document that is not in the database.
        """
        try:
            return self._encoder.encode(value)
        except RefusedError as refused:
            raise refused.at(where) from None

    def encode_all(self, values: Iterable[object], names: Callable[[int], Sequence[str]]) -> list[Any]:
        """Return *values* as BSON can hold them; *names* labels the first ones, up to the one that is refused.

        Raises as ``encode`` does.
        """
        encode = self._encoder.encode
        stored: list[Any] = []
        try:
            for value in values:
                stored.append(encode(value))  # noqa: PERF401 - its length tells which one was refused
        except RefusedError as refused:
            raise refused.at(names(len(stored) + 1)[-1]) from None
        return stored

    def decode(self, stored: object, loaded: Loaded | None = None, where: str = "") -> object:
        """Return the value that was stored; *loaded* is shared by the values of one payload, *where* names this one.

        Raises DeserializationError and nothing else, but for errors of the database while it loads a document.
        """
        return self._decoder.load(stored, {} if loaded is None else loaded, where)

    def encode_fields(self, instance: object, where: str) -> Any:
        """Return the state of *instance*, of a registered class, as a sub-document. Raises as ``encode`` does."""
        try:
            return self._encoder.fields(instance, 1)
        except RefusedError as refused:
            raise refused.at(where) from None

    def restore(self, cls: type, fields: dict[str, object]) -> object:
        """Return an instance of the registered class *cls* without calling ``__init__``. Raises DamagedPayloadError."""
        try:
            return self._decoder.restore(cls, fields)
        except DAMAGE as error:
            raise DamagedPayloadError(f"a stored {cls.__qualname__} is damaged: {error!s:.500}") from error

    def class_name(self, cls: type, where: str) -> str:
        """Return the name under which *cls* is stored. Raises UnstorableValueError if a worker could not find it."""
        try:
            return self._encoder.class_name(cls)
        except RefusedError as refused:
            raise refused.at(where) from None

    def find_class(self, name: object) -> type:
        """Return the class stored under *name*. Raises UnknownJobError."""
        return self._decoder.find_class(name)

    def is_target(self, cls: type) -> bool:
        """Return whether methods of *cls* can be jobs: it is a document class or a registered one."""
        return (self._references.class_name(cls) or self.registry.class_name(cls)) is not None

    def target_classes(self) -> Iterable[tuple[str, type]]:
        """Return the classes whose methods can be jobs, with their stored names."""
        return {**self.registry.classes(), **self._references.classes()}.items()
