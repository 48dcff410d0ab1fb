"""Matching a value at its place in a document: with its own type, and never by chance inside an array.

The server alone takes 1 for 1.0, and an array for any value that is in it.
"""

from __future__ import annotations

from typing import Final, Protocol

from mongojobs.core.job import Document


class MatchArgument(Protocol):
    """Turns the place of an argument and its value into a query."""

    def __call__(self, place: str, value: object, *, as_shown: bool) -> Document:
        """Match the jobs with that argument; *as_shown* those only whose page shows it to everybody."""
        ...


NOTHING: Final[Document] = {"_id": {"$in": []}}

_ALIKE: Final[dict[type, tuple[str, ...]]] = {
    bool: ("int", "long", "double", "decimal"),
    int: ("bool", "double", "decimal"),
    float: ("bool", "int", "long", "decimal"),
    type(None): ("object", "string", "bool", "int", "long", "double", "decimal", "date", "objectId", "binData"),
}
"""The types whose values the server, or mongomock, may take for equal. Any in a list of dicts is null to the server."""


def exactly(path: str, stored: object) -> Document:
    """Match documents that have at *path* exactly *stored*, in the form of BSON."""
    kinds = ("array", *_ALIKE.get(type(stored), ()))
    return {path: {"$eq": stored, "$exists": True}, "$nor": [{path: {"$type": kind}} for kind in kinds]}


def by_place(place: str, value: object, *, as_shown: bool) -> Document:
    """Match the jobs whose argument at *place* is *value*, as far as it can be told without the code of the jobs.

    Without that, no argument is shown.
    """
    return NOTHING if as_shown else exactly(path_of(place), value)


def path_of(place: str) -> str:
    """Return where a document has the argument at *place*: a number is of a positional one, else it is a name."""
    return f"handler.args.{place}" if place.partition(".")[0].isdecimal() else f"handler.kwargs.{place}"
