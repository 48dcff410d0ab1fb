"""How much memory a process uses, and when to replace a process that has grown."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from mongojobs.core.settings import Settings

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PEAK_UNIT_BYTES: Final = 1 if sys.platform == "darwin" else 1024
"""The unit of ``getrusage``."""
_MIB: Final = 2**20


def resident_bytes() -> int:
    """Return the memory that this process occupies; without ``/proc``, as on macOS, its peak."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    return peak_bytes()


def peak_bytes(usage: resource.struct_rusage | None = None) -> int:
    """Return the peak memory of a process: this one, unless the *usage* of another is given."""
    usage = usage or resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss * _PEAK_UNIT_BYTES


def in_mib(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{round(number / _MIB)} MiB"


def measured(settings: Settings) -> int:
    """Return the memory of this process; 0 if no limit needs it."""
    return resident_bytes() if settings.max_memory is not None else 0


def recycle_reason(settings: Settings, *, runs: int, memory: int) -> str | None:
    """Return why a process with this many *runs* and this much *memory* must be replaced, or None."""
    if settings.max_memory is not None and memory > settings.max_memory:
        return f"it occupies {in_mib(memory)} (max_memory is {in_mib(settings.max_memory)})"
    if settings.max_jobs is not None and runs >= settings.max_jobs:
        return f"it has run {runs} jobs (max_jobs is {settings.max_jobs})"
    return None
