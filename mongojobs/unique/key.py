"""The key of a unique job: a digest of what makes two calls the same, and a text for people.

Values that are stored alike have equal keys, in whatever order the names of a mapping stand; 1, 1.0, True and "1" are
not, nor is one moment in two time zones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import bson

LONGEST_TEXT: Final = 200

_NESTED: Final = (dict, list)
_NOTHING_YET: Final = hashlib.sha256()
"""Copied for each key, which takes a third of the time of making one; and where FIPS rules, BLAKE2 is not to be had."""

KeyFields = dict[str, Any]
"""What a job says of its key, as fields of it: the digest that is indexed, twice, and the text that people see."""


def key_of(scope: str, chosen: Mapping[str, Any], text: str) -> KeyFields:
    """Return the key of the *chosen* values, as they are stored, among the jobs of *scope*."""
    content: dict[str, Any] = {"scope": scope}
    for name, value in chosen.items():
        content[name] = _in_order(value) if type(value) in _NESTED else value
    made = _NOTHING_YET.copy()
    made.update(bson.encode(content))
    digest = made.hexdigest()[:32]
    shown = text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)
    cut = shown if len(shown) <= LONGEST_TEXT else f"{shown[: LONGEST_TEXT - 4]} ..."
    return {"unique_key": digest, "unique_digest": digest, "unique_text": cut}


def _in_order(value: Any) -> Any:
    """Return a stored *value* with its mappings in order; those whose names are no texts are stored as pairs."""
    if type(value) is list:
        return [_in_order(item) for item in value]
    if type(value) is not dict:
        return value
    ordered = dict(sorted(value.items()))
    for name, item in ordered.items():
        if type(item) in _NESTED:
            ordered[name] = _in_order(item)
    if value.get("__mj") == "pairs":
        ordered["v"].sort(key=lambda pair: bson.encode({"pair": pair}))
    return ordered
