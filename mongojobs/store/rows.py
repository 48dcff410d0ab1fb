"""The rows of an app in its own collections, read by pages in the order of a key.

A cursor would be closed by the server once the rows of one batch take ten minutes; and no cursor lasts from one run of
a job to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128

from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.cursor import NOTHING
from mongojobs.core.inside.sources import Key, Source, check_keys, key_of, listed
from mongojobs.core.job import Document

PAGE: Final = 100
"""How many rows are read at once."""

_NUMBERS: Final = (int, float, Decimal, Decimal128)
_PRIMARY: Final = ("id", "pk", "_id")


def source_of(rows: Any, key: Key) -> Source:
    """Return where *rows* come from: a MongoEngine query, a collection or ``find()`` of PyMongo, or a sequence.

    Raises ProgressError.
    """
    kind = type(rows)
    if kind.__name__.startswith("Async"):
        raise ProgressError(f"each() reads rows in a thread: pass the query of a synchronous client, got {rows!r:.100}")
    if hasattr(kind, "order_by") and getattr(rows, "_document", None) is not None:
        return _Paged(rows._document.__name__, _field(key, "pk"), _unlimited(rows), _of_query_set)
    if hasattr(kind, "find") and hasattr(kind, "insert_one"):
        return _Paged(rows.name, _field(key, "_id"), rows.find(), _of_cursor)
    if hasattr(kind, "clone") and hasattr(rows, "_spec"):
        return _Paged(rows.collection.name, _field(key, "_id"), _unlimited(rows), _of_cursor)
    return listed(rows, key)


class _Paged:
    """Rows that are read by pages: *read* asks *query* for so many after a key, or for the very last one."""

    size = None

    def __init__(self, name: str, key: str, query: Any, read: Callable[[Any, str, object, int], list[Any]]) -> None:
        self.name = name
        self._key = key
        self._query = query
        self._read = read

    def after(self, last: object) -> Iterator[tuple[Any, Any]]:
        """Yield them page by page."""
        is_first = True
        while found := self._read(self._query, self._key, last, PAGE + 1):
            keys = [_key_in(row, self._key) for row in found]
            check_keys(keys, self._key)
            if is_first:
                self._check_kinds(keys[0])
            is_first = False
            yield from zip(keys[:PAGE], found[:PAGE], strict=True)
            if len(found) <= PAGE:
                return
            last = keys[PAGE - 1]

    def _check_kinds(self, first: object) -> None:
        """Refuse keys of several kinds: a query for those after one of them finds no others. Raises ProgressError."""
        [greatest] = self._read(self._query, self._key, NOTHING, -1)[:1] or [None]
        if greatest is not None and _kind(last := _key_in(greatest, self._key)) is not _kind(first):
            raise ProgressError(
                f"the keys {self._key!r} of {self.name} are of several kinds, such as {first!r:.50} and {last!r:.50}:"
                " go through the rows of each kind by themselves, or name another key"
            )


def _of_query_set(query: Any, key: str, last: object, count: int) -> list[Any]:
    field = key.replace(".", "__")
    if count < 0:
        return list(query.order_by(f"-{field}").limit(1))
    rest = query if last is NOTHING else query.filter(**{f"{field}__gt": last})
    return list(rest.order_by(field).limit(count))


def _of_cursor(query: Any, key: str, last: object, count: int) -> list[Any]:
    if count < 0:
        return list(query.clone().sort(key, -1).limit(1))
    condition: Document = dict(query._spec)
    if last is not NOTHING:
        after: Document = {key: {"$gt": last}}
        condition = {"$and": [condition, after]} if condition else after
    found = query.collection.find(condition, query._projection or None)
    return list(found.sort(key, 1).limit(count))


def _unlimited(query: Any) -> Any:
    """Return *query* if it is for all that match: a part of them would be another part in the next run."""
    if query._limit or query._skip:
        raise ProgressError("each() goes through all rows of a query: leave out its limit and skip")
    return query


def _field(key: Key, otherwise: str) -> str:
    if key is not None and not isinstance(key, str):
        raise ProgressError(f"key must be the name of a field, got {key!r:.100}: the database sorts by it")
    return key or otherwise


def _key_in(row: object, key: str) -> Any:
    """Return the key of *row*, which may be a document or, of a query ``as_pymongo``, a dict."""
    return row.get("_id") if isinstance(row, Mapping) and key in _PRIMARY else key_of(row, key)


def _kind(key: object) -> object:
    """Return what keys have in common that the database compares."""
    return _NUMBERS if isinstance(key, _NUMBERS) and not isinstance(key, bool) else type(key)
