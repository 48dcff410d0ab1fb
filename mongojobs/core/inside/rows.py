"""A pass over many rows: each is done once, and the next run goes on where the last one was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.cursor import NOTHING, Cursor
from mongojobs.core.inside.sources import Source


@dataclass(frozen=True, slots=True)
class Keeper:
    """What keeps the place of a pass.

    *encode* and *decode* are for keys. *look* raises what ends the run, if something does. *save* stores the place at
    once, *moved* with the next renewal; *done* says that one more row is. *set_aside* leaves out the row that the
    cursor is at. After a death the pass is *wary* for so many seconds of its rows' own time.
    """

    encode: Callable[[object], Any]
    decode: Callable[[Any], object]
    look: Callable[[], object]
    save: Callable[[], object]
    moved: Callable[[], object]
    done: Callable[[int], object]
    set_aside: Callable[[Cursor, str], object]
    wary: float


class Rows:
    """The rows of ``current_job().each(...)``, for a ``for`` or an ``async for``; to be gone through once.

    ``done`` is how many are done, those of earlier runs included; ``aside`` names the rows at which workers died.
    """

    def __init__(self, source: Source, cursor: Cursor, keeper: Keeper, *, skip_after: int | None) -> None:
        self._source = source
        self._cursor = cursor
        self._keeper = keeper
        self._skip_after = skip_after
        self._is_begun = False

    @property
    def name(self) -> str:
        """What they are called in the job."""
        return self._cursor.name

    @property
    def done(self) -> int:
        """How many rows are done."""
        return self._cursor.passed[1]

    @property
    def aside(self) -> list[object]:
        """The keys of the rows that were left out, since workers died at them."""
        return [self._keeper.decode(one.get("key")) for one in self._cursor.aside]

    def __iter__(self) -> Iterator[Any]:
        cursor, keeper = self._cursor, self._keeper
        is_suspect, is_first = self._begin(), True
        for key, row in self._source.after(self._last()):
            keeper.look()
            stored = keeper.encode(key)
            if cursor.wary:
                cursor.at = stored
                keeper.save()
            begun = time.monotonic()
            yield row
            # The death was within a heartbeat after the first row: neither that nor what each store takes counts.
            cursor.pass_row(stored, 0.0 if is_first else time.monotonic() - begun)
            is_first = False
            if is_suspect:
                is_suspect, cursor.deaths = False, 0
            keeper.done(self.done)
        cursor.is_open = False
        keeper.moved()

    async def __aiter__(self) -> AsyncIterator[Any]:
        rows = iter(self)
        while (row := await asyncio.to_thread(next, rows, NOTHING)) is not NOTHING:
            yield row

    def _last(self) -> object:
        key = self._cursor.passed[0]
        return NOTHING if key is NOTHING else self._keeper.decode(key)

    def _begin(self) -> bool:
        """Store that a run is in the rows; return whether the first one is the one at which the last run died."""
        if self._is_begun:
            raise ProgressError(f"the rows {self.name!r} can be gone through once in a run: call each() once, or name=")
        self._is_begun = True
        cursor = self._cursor
        if cursor.is_open:
            cursor.blame(wary=self._keeper.wary)
        is_suspect = cursor.at is not NOTHING
        if is_suspect and self._skip_after is not None and cursor.deaths >= self._skip_after:
            self._keeper.set_aside(cursor, str(self._keeper.decode(cursor.at)))
            is_suspect = False
        cursor.is_open = True
        self._keeper.save()
        return is_suspect
