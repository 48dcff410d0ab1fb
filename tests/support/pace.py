"""The pace of the machine, which decides how much a worker does at once."""

from collections.abc import Callable

from mongojobs.worker.finish import finisher
from mongojobs.worker.reserving import reserve
from tests.support.waiting import LONG


def at_full_pace(patch: Callable[[object, str, object], None]) -> None:
    """Let a worker reserve and write as much at once on the busiest machine as on one that has nothing else to do."""
    patch(reserve, "READ_AHEAD_SECONDS", LONG)
    patch(finisher, "GATHER_SECONDS", 0.1)
