"""The key of a unique job: a digest of what makes two calls the same, and a text for people.

Values that are stored alike have equal keys, in whatever order the names of a mapping stand; 1, 1.0, True and "1" are
not, nor is one moment in two time zones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import bson

LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Key:
    """The *digest* that is indexed, and the *text* that people see."""

    digest: str
    text: str


def key_of(scope: str, chosen: object, text: str) -> Key:
    """Return the key of the *chosen* values, as they are stored, among the jobs of *scope*."""
    content = bson.encode({"scope": scope, "chosen": _in_order(chosen)})
    shown = text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)
    cut = shown if len(shown) <= LONGEST_TEXT else f"{shown[: LONGEST_TEXT - 4]} ..."
    return Key(hashlib.sha256(content).hexdigest()[:32], cut)


def _in_order(value: Any) -> Any:
    """Return a stored *value* with its mappings in order; those whose names are no texts are stored as pairs."""
    if isinstance(value, list):
        return [_in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {name: _in_order(value[name]) for name in sorted(value)}
    if value.get("__mj") == "pairs":
        ordered["v"].sort(key=lambda pair: bson.encode({"pair": pair}))
    return ordered
