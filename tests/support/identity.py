"""Equality that also compares types, all the way down: to Python, ``1 == True`` and ``0.0 == -0.0``."""

from __future__ import annotations

from datetime import datetime

from tests.support.payload_samples import Plain, Point


def identical(one: object, other: object) -> bool:
    """Return whether two values are equal in type and value."""
    return type(one) is type(other) and _equal(one, other)


def _equal(one: object, other: object) -> bool:
    match one, other:
        case ((list() | tuple()), (list() | tuple())):
            return len(one) == len(other) and all(map(identical, one, other))
        case dict(), dict():
            return identical(list(one.items()), list(other.items()))
        case ((set() | frozenset()), (set() | frozenset())):
            return one == other and _types(one) == _types(other)
        case ((Point() | Plain()), _):
            return identical(vars(one), vars(other))
        case datetime(), datetime():
            return one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.tzinfo == other.tzinfo
        case float(), float():
            return one.hex() == other.hex()
        case _:
            return one == other


def _types(items: set[object] | frozenset[object]) -> list[str]:
    return sorted(type(item).__name__ for item in items)
