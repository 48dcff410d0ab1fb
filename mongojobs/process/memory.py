"""How much memory a process uses."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PEAK_UNIT_BYTES: Final = 1 if sys.platform == "darwin" else 1024
"""What ``getrusage`` counts in."""
_MIB: Final = 2**20


def resident_bytes() -> int:
    """Return the memory that this process occupies; where there is no ``/proc``, as on macOS, its peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return peak_bytes()


def peak_bytes(usage: resource.struct_rusage | None = None) -> int:
    """Return the most memory that a process has ever occupied: this one, unless the *usage* of another is given."""
    usage = usage or resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss * _PEAK_UNIT_BYTES


def in_mib(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{round(number / _MIB)} MiB"
