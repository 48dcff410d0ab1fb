"""Where a document lives: connection alias, database and collection, and which of these jobs may refer to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from mongojobs.core.errors import DamagedPayloadError

Allowed = Collection[str] | Callable[[str], bool]
"""Names, or a function that tells whether a name is allowed."""

_DATABASE = re.compile(r'[^ /\\."$\0]{1,63}')
_COLLECTION = re.compile(r"(?!system\.)[^.$\0](?:[^$\0]{0,253}[^.$\0])?")


class Asking(NamedTuple):
    """How an enqueue looks up the caller's documents: in which *session*, within which time limit."""

    session: Any = None
    limit: Callable[[], AbstractContextManager[None]] = nullcontext


_BY_ITSELF = Asking()
asking: ContextVar[Asking] = ContextVar("mongojobs_asking", default=_BY_ITSELF)
"""Nobody else can see what the caller's transaction wrote."""


class asking_within:  # noqa: N801 - reads as a verb: `with asking_within(...):`
    """Look up documents in the block within *session*, if it is not None, and within *limit*."""

    __slots__ = ("_asking", "_token")

    def __init__(self, session: Any, limit: Callable[[], AbstractContextManager[None]]) -> None:
        self._asking = Asking(session, limit)

    def __enter__(self) -> None:
        self._token = asking.set(self._asking)

    def __exit__(self, *_raised: object) -> None:
        asking.reset(self._token)


@dataclass(frozen=True, slots=True)
class DeclaredLocation:
    """Where the documents of a class live according to its declaration."""

    alias: str
    collection: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where one document lives."""

    alias: str
    database: str
    collection: str

    @classmethod
    def of(cls, stored: Mapping[Any, object]) -> Place:
        """Return the *stored* place. Raises DamagedPayloadError for names that MongoDB does not allow."""
        alias, database, collection = (stored.get(name) for name in ("alias", "database", "collection"))
        if (
            type(alias) is str
            and alias
            and type(database) is str
            and type(collection) is str
            and _DATABASE.fullmatch(database)
            and _COLLECTION.fullmatch(collection)
        ):
            return cls(alias, database, collection)
        raise DamagedPayloadError(f"a stored document has no place that can be: {dict(stored)!r:.200}")

    def as_dict(self) -> dict[str, object]:
        """Return the form that ``of`` reads."""
        return {"alias": self.alias, "database": self.database, "collection": self.collection}


@dataclass(frozen=True, slots=True)
class Switched:
    """Which databases and collections, besides those of the classes, may be followed."""

    databases: Allowed
    collections: Allowed

    def refusal(self, place: Place, home: DeclaredLocation, own_database: str | None) -> str | None:
        """Return why a document at *place* must not be followed, None if it may.

        Its class lives at *home*, in the database *own_database*.
        """
        at_home = place.alias == home.alias and place.database == own_database
        if not at_home and not _allows(self.databases, place.database):
            return (
                f"is in the database {place.database!r:.100} of the connection {place.alias!r:.100}, and its class"
                f" lives in {own_database!r} of {home.alias!r}: list it in the setting switched_databases"
            )
        if place.collection != home.collection and not _allows(self.collections, place.collection):
            return (
                f"is in the collection {place.collection!r:.100}, and its class lives in {home.collection!r}:"
                f" list it in the setting switched_collections"
            )
        return None


def _allows(allowed: Allowed, name: str) -> bool:
    return bool(allowed(name)) if callable(allowed) else name in allowed
