"""When a process has done enough: so many jobs, or one that left too much memory behind."""

from __future__ import annotations

from mongojobs.core.settings import Settings
from mongojobs.process.memory import in_mib, resident_bytes


def measured(settings: Settings) -> int:
    """Return the memory of this process; 0 where no limit asks for it."""
    return resident_bytes() if settings.max_memory is not None else 0


def recycle_reason(settings: Settings, *, runs: int, memory: int) -> str | None:
    """Return why a process that has done so many *runs*, and occupies so much *memory*, is to be replaced, or None."""
    if settings.max_memory is not None and memory > settings.max_memory:
        return f"it occupies {in_mib(memory)} (max_memory is {in_mib(settings.max_memory)})"
    if settings.max_jobs is not None and runs >= settings.max_jobs:
        return f"it has run {runs} jobs (max_jobs is {settings.max_jobs})"
    return None
