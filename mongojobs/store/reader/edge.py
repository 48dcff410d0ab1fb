"""Where a search for rare jobs gives up: after a number of keys or documents, wherever it has got to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.errors import FilterError
from mongojobs.core.job import Document
from mongojobs.store.filters import merged
from mongojobs.store.positions import Position, ranges, until
from mongojobs.store.queries import Queries
from mongojobs.store.selections import Selection

PAGE_MILLISECONDS: Final = 5_000
"""How long the server may take for one query of a page."""
ARRIVING: Final = 1000
"""So many jobs may come between two queries of a page without hiding others from it."""
EVERYTHING: Final[Document] = {}


@dataclass(frozen=True, slots=True)
class Seen:
    """How many jobs a search has found, and the condition for the *first* of them."""

    number: int
    first: Document


def edge_of(queries: Queries, selection: Selection, *, start: Position | None = None) -> Position | None:
    """Return where a search of *selection* from *start* gives up, to be continued later; None if it sees all."""
    if selection.looked_at is None or not queries.is_real:
        return None
    fields = {"_id": 0, **dict.fromkeys(selection.order, 1)}
    options: dict[str, Any] = {"sort": selection.sort(selection.direction), "skip": selection.looked_at, "limit": 1}
    for part in ranges(selection.order, start, direction=selection.direction):
        query = merged(selection.base, part)
        found = queries.find(query, fields, index=selection.index, max_time_ms=PAGE_MILLISECONDS, **options)
        if found:
            return selection.position(found[0])
    return None


def up_to(
    queries: Queries, selection: Selection, edge: Position | None, *, limit: int, within: Document = EVERYTHING
) -> Seen:
    """Look through *selection*, or *within* a stretch of it, no further than *edge*; keep the first *limit* ids.

    The server takes the first keys in a third of the time in which it would compare each with the edge, and reads no
    document where keys are all that is asked for. It takes some more than lie before the edge, as jobs may have come
    since that was found; only what has matched is compared with it.
    """
    most = (selection.looked_at or 0) + ARRIVING
    pipeline: list[Document] = [
        {"$match": merged(selection.base, within)},
        {"$sort": dict(selection.sort(selection.direction))},
        {"$limit": most},
        {"$match": merged(selection.keys, selection.rest)},
        {"$limit": most},  # keeps the conditions apart: joined to one, all would be compared with the edge
        *([] if edge is None else [{"$match": until(selection.order, edge, direction=selection.direction)}]),
        {"$group": {"_id": None, "jobs": {"$sum": 1}, "first": {"$firstN": {"input": "$_id", "n": limit}}}},
    ]
    found = queries.aggregate(pipeline, index=selection.index, maxTimeMS=PAGE_MILLISECONDS)
    return Seen(found[0]["jobs"], {"_id": {"$in": found[0]["first"]}}) if found else Seen(0, {"_id": {"$in": []}})


def check_bound(name: str, bound: object) -> None:
    """Raise FilterError unless *bound*, the argument called *name*, is a whole number of at least 1."""
    if type(bound) is not int or bound < 1:
        raise FilterError(f"{name} must be a whole number of at least 1, got {bound!r:.100}")
