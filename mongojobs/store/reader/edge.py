"""Where a search for rare jobs gives up: after a number of keys or documents, wherever it has got to."""

from __future__ import annotations

from typing import Any, Final

from mongojobs.core.errors import FilterError
from mongojobs.core.job import Document
from mongojobs.store.filters import merged
from mongojobs.store.positions import Position, ranges, until
from mongojobs.store.queries import Queries
from mongojobs.store.selections import Selection

PAGE_MILLISECONDS: Final = 5_000
"""How long the server may take for one query of a page."""


def edge_of(
    queries: Queries, selection: Selection, *, start: Position | None = None, furthest: int | None = None
) -> Position | None:
    """Return where a search of *selection* from *start* gives up, to be continued later; None if it sees all.

    Where it reads documents, it gives up after *furthest* of them at the latest.
    """
    limit = reach_of(selection, furthest=furthest)
    if limit is None or not queries.is_real:
        return None
    fields = {"_id": 0, **dict.fromkeys(selection.order, 1)}
    options: dict[str, Any] = {"sort": selection.sort(selection.direction), "skip": limit, "limit": 1}
    for part in ranges(selection.order, start, direction=selection.direction):
        query = merged(selection.base, part)
        found = queries.find(query, fields, index=selection.index, max_time_ms=PAGE_MILLISECONDS, **options)
        if found:
            return selection.position(found[0])
    return None


def reach_of(selection: Selection, *, furthest: int | None = None) -> int | None:
    """Return after how many keys, or documents, a search of *selection* gives up; None if it sees all."""
    reach = selection.looked_at
    return min(reach, furthest) if reach is not None and furthest is not None and selection.rest else reach


def up_to(selection: Selection, edge: Position | None) -> Document:
    """Match what comes no later than *edge*, or everything if there is none."""
    return {} if edge is None else until(selection.order, edge, direction=selection.direction)


def check_bound(name: str, bound: object) -> None:
    """Raise FilterError unless *bound*, the argument called *name*, is a whole number of at least 1."""
    if type(bound) is not int or bound < 1:
        raise FilterError(f"{name} must be a whole number of at least 1, got {bound!r:.100}")
