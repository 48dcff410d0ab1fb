"""The limits of a job's fields, for those who know no jobs: this loads nothing of the driver."""

from __future__ import annotations

from typing import Final

LOWEST_PRIORITY: Final = -(2**31)
HIGHEST_PRIORITY: Final = 2**31 - 1
"""Priorities are 32-bit integers; the lower number runs first."""

LONGEST_NAME: Final = 256
"""The longest name of a queue, job or worker, in characters."""

KEPT_ENTRIES: Final = 10
"""How many entries are kept of each history of a job, ``errors`` and ``retries``: it must not grow without end."""
