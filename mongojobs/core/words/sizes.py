"""Sizes as people write them: ``4096``, ``64k``, ``1.5G``, ``512MiB``."""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(value: object) -> int:
    """Return *value*, a number or a text such as ``64k``, in bytes. Raises ValueError that says what is allowed."""
    found = _TEXT.fullmatch(str(value).strip())
    if found is None or isinstance(value, bool):
        raise ValueError("must be a size such as 64k, 400M or 1G")
    return int(float(found["number"]) * _UNITS[found["unit"].upper()])


def format_size(size: int) -> str:
    """Return *size*, in bytes, in its largest whole unit: ``64k``."""
    for unit, number in (("G", 2**30), ("M", 2**20), ("k", 2**10)):
        if size and size % number == 0:
            return f"{size // number}{unit}"
    return f"{size:,} bytes"
