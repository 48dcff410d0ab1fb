"""Where rows come from: in the order of a key, from any key on. Those in a database are found by ``store.rows``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.cursor import NOTHING

Key = str | Callable[[Any], Any] | None
"""What tells rows apart and orders them: the name of a field, or a function of a row."""


class Source(Protocol):
    """Rows in the order of their keys."""

    @property
    def name(self) -> str:
        """What they are called unless the job says otherwise."""
        ...

    @property
    def size(self) -> int | None:
        """How many there are, if that costs nothing."""
        ...

    def after(self, last: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the keys and rows whose keys come after *last*, or all for ``NOTHING``. Raises ProgressError."""
        ...


class Listed:
    """The rows of a sequence: in its own order, by their places, or in the order of a *key*."""

    name = "rows"

    def __init__(self, rows: Sequence[Any], key: Key) -> None:
        self.size: int = len(rows)
        self._rows = rows
        self._key = key

    def after(self, last: Any) -> Iterator[tuple[Any, Any]]:
        """Yield them from the first one after *last*."""
        keyed = self._keyed()
        try:
            first = 0 if last is NOTHING else bisect_right(keyed, last, key=itemgetter(0))
        except TypeError as error:
            raise ProgressError(f"rows cannot be found by the key {last!r:.100} any more: {error}") from None
        yield from keyed[first:]

    def _keyed(self) -> Sequence[tuple[Any, Any]]:
        if self._key is None:
            return list(enumerate(self._rows))
        keyed = [(key_of(row, self._key), row) for row in self._rows]
        check_keys((key for key, _ in keyed if key is None), self._key)
        try:
            keyed.sort(key=itemgetter(0))
        except TypeError as error:
            raise ProgressError(f"rows cannot be sorted by key={self._key!r:.100}: {error}") from None
        check_keys((key for key, _ in keyed), self._key)
        return keyed


def listed(rows: object, key: Key) -> Source:
    """Return the source of a sequence. Raises ProgressError for what is none."""
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes | bytearray):
        return Listed(rows, key)
    raise ProgressError(
        "each() goes through a MongoEngine query, a PyMongo collection or find(), or a sequence such as a list, got"
        f" {rows!r:.100}: what can be gone through only once cannot be resumed"
    )


def key_of(row: object, key: Key) -> Any:
    """Return the key of *row*; None if it has none."""
    if callable(key):
        return key(row)
    value: object = row
    for part in str(key).split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value


def check_keys(keys: Iterable[object], key: Key) -> None:
    """Raise ProgressError unless *keys*, which are in order, tell the rows apart."""
    last: object = NOTHING
    for one in keys:
        if one is None:
            raise ProgressError(f"key={key!r:.100} is missing in a row: name a key that all rows have")
        if one == last:
            raise ProgressError(f"two rows have the key {one!r:.100}: name a key that is unique, such as the id")
        last = one
