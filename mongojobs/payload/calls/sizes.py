"""How large a stored call is: small ones are not measured, and the error for a large one names its largest part."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import bson
from bson import ObjectId

from mongojobs.core.errors import PayloadTooLargeError
from mongojobs.core.job import Document
from mongojobs.payload.calls.kinds import Call, ObjectCall
from mongojobs.payload.calls.methods import argument_labels

SMALL_BYTES: Final = 8 * 1024
"""Whatever ``is_surely_small`` accepts takes less, including all names around it."""
_FEW_VALUES: Final = 50
_FEW_CHARACTERS: Final = SMALL_BYTES // 8
_SHORT: Final = frozenset({bool, int, float, type(None), ObjectId, datetime})
_SHORT_OR_TEXT: Final = _SHORT | {str}


def is_surely_small(handler: Document) -> bool:
    """Whether a function takes only a few numbers, ids and short texts, as most jobs do; checking takes no time."""
    if handler["kind"] != "function" or len(handler["args"]) + len(handler["kwargs"]) > _FEW_VALUES:
        return False
    values, texts = handler["args"], [handler["target"]]
    if handler["kwargs"]:
        values, texts = [*values, *handler["kwargs"].values()], [*texts, *handler["kwargs"]]
    if not _SHORT.issuperset(map(type, values)):
        if not _SHORT_OR_TEXT.issuperset(map(type, values)):
            return False
        texts += [value for value in values if type(value) is str]
    return sum(map(len, texts)) < _FEW_CHARACTERS


def check_size(call: Call, handler: Document, most: int) -> None:
    """Raise PayloadTooLargeError if the *handler* of *call* takes more than *most* bytes."""
    size = len(bson.encode(handler))
    if size > most:
        raise PayloadTooLargeError(
            f"the payload of {call.name} has {size} bytes, more than {most}: the largest is"
            f" {_largest(call, handler)}; store it in a document of its own and pass that",
            size=size,
            limit=most,
        )


def _largest(call: Call, handler: Document) -> str:
    """Name the argument that takes the most bytes."""
    labels = () if isinstance(call, ObjectCall) else argument_labels(call.function, len(call.args))
    stored = [*zip(labels, handler["args"], strict=True), *handler["kwargs"].items()]
    sizes = {label: len(bson.encode({"": value})) for label, value in stored}
    largest = max(sizes, key=sizes.__getitem__, default="its target")
    return f"{largest} ({sizes.get(largest, len(bson.encode(handler)))} bytes)"
