"""The ids of jobs, made in blocks: consecutive, so that jobs of one process keep their order.

Like those of the driver, each is made of a moment, a number of the process and a counter; but the driver looks at the
clock for each, which takes four times as long.
"""

from __future__ import annotations

import os
import secrets
import threading
from datetime import datetime
from typing import Final

from bson import ObjectId

_COUNTED_BYTES: Final = 3
_COUNTED: Final = 256**_COUNTED_BYTES


class JobIds:
    """Makes ids that no other process makes, nor the driver in this one; it counts from *first*."""

    def __init__(self, first: int | None = None) -> None:
        self.renew()
        self._next = secrets.randbelow(_COUNTED) if first is None else first

    def renew(self) -> None:
        """Start over in a forked process, which has copied its parent's number, and the lock as it was."""
        self._changing = threading.Lock()
        self._process = secrets.randbits(40) << 8 * _COUNTED_BYTES

    def take(self, count: int, now: datetime) -> list[ObjectId]:
        """Return this many new ids, made *now*."""
        with self._changing:
            first, self._next = self._next, (self._next + count) % _COUNTED
            start = (int(now.timestamp()) % 2**32 << 64) + self._process
        return [ObjectId((start + (first + n) % _COUNTED).to_bytes(12, "big")) for n in range(count)]


job_ids: Final = JobIds()
os.register_at_fork(after_in_child=job_ids.renew)
