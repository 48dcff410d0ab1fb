"""Job ids in addresses and forms: an id of digits must not become a number, nor a text an ObjectId."""

from __future__ import annotations

from typing import Final

from bson import ObjectId
from werkzeug.exceptions import BadRequest

from mongojobs.core.job import JobId

_TEXT: Final = "text-"
_NUMBER: Final = "number-"
_LONGEST: Final = 300


def key_of(job_id: object) -> str:
    """Return the text that stands for *job_id* in an address."""
    match job_id:
        case ObjectId():
            return str(job_id)
        case int():
            return f"{_NUMBER}{job_id}"
        case _:
            return f"{_TEXT}{job_id}"


def read_key(key: str) -> JobId:
    """Return the id that *key* stands for. Raises BadRequest if no job can have it."""
    if ObjectId.is_valid(key):
        return ObjectId(key)
    if key.startswith(_TEXT) and len(_TEXT) < len(key) < _LONGEST:
        return key.removeprefix(_TEXT)
    digits = key.removeprefix(_NUMBER)
    if key.startswith(_NUMBER) and len(digits) < 20 and digits.isascii() and digits.removeprefix("-").isdecimal():
        return int(digits)
    raise BadRequest("No job can have such an id.")
