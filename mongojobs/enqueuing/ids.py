"""The ids of jobs, made in blocks: consecutive, so that jobs of one process keep their order.

Like those of the driver, each is made of a moment, a number of the process and a counter; but the driver looks at the
clock for each, which takes four times as long.
"""

from __future__ import annotations

import itertools
import os
import secrets
from datetime import datetime
from typing import Final

from bson import ObjectId

_COUNTED_BYTES: Final = 3
_COUNTED: Final = 256**_COUNTED_BYTES


class JobIds:
    """Makes ids that no other process makes, nor the driver in this one; it counts from *first*.

    The process id is part of the number, since uWSGI forks without telling Python: its workers have all copied the same
    count, and a job with the id of another one would count as stored already.
    """

    def __init__(self, first: int | None = None) -> None:
        self.renew()
        self._count = itertools.count(secrets.randbelow(_COUNTED) if first is None else first)

    def renew(self) -> None:
        """Start over in a forked process, which has copied its parent's number."""
        self._secret = secrets.randbits(40)

    def take(self, count: int, now: datetime) -> list[ObjectId]:
        """Return this many new ids, made *now*."""
        process = (self._secret ^ os.getpid()) << 8 * _COUNTED_BYTES
        start = (int(now.timestamp()) % 2**32 << 64) + process
        return [ObjectId((start + n % _COUNTED).to_bytes(12, "big")) for n in itertools.islice(self._count, count)]


job_ids: Final = JobIds()
os.register_at_fork(after_in_child=job_ids.renew)
