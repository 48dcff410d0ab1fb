"""Matching a value where it stands in a document: of its own type, and not inside of an array by chance.

The server alone takes 1 for 1.0, and an array for any value that is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mongojobs.core.job import Document

MatchArgument = Callable[[str, object], Document]
"""Turns the place of an argument and its value into a query."""

_ALIKE: Final[dict[type, tuple[str, ...]]] = {
    bool: ("int", "long", "double", "decimal"),
    int: ("bool", "double", "decimal"),
    float: ("bool", "int", "long", "decimal"),
    type(None): ("object", "string", "bool", "int", "long", "double", "decimal", "date", "objectId", "binData"),
}
"""The types whose values the server, or mongomock, may take for equal. Any in a list of dicts is null to the server."""


def exactly(path: str, stored: object, *, inside: Iterable[str] = ()) -> Document:
    """Match documents that have at *path* exactly *stored*, in the form of BSON, and no array at any path *inside*."""
    others = ("array", *_ALIKE.get(type(stored), ()))
    kinds = [*((path, kind) for kind in others), *((parent, "array") for parent in inside)]
    return {path: {"$eq": stored, "$exists": True}, "$nor": [{where: {"$type": kind}} for where, kind in kinds]}


def by_place(place: str, value: object) -> Document:
    """Match the jobs whose argument at *place* is *value*, as far as it can be told without the code of the jobs."""
    return exactly(path_of(place), value)


def path_of(place: str) -> str:
    """Return where a document has the argument at *place*: a number is of a positional one, else it is a name."""
    return f"handler.args.{place}" if place.partition(".")[0].isdecimal() else f"handler.kwargs.{place}"
