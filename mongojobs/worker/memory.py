"""How much memory this process has taken."""

from __future__ import annotations

import resource
import sys
from typing import Final

_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def peak_bytes() -> int:
    """Return the most memory of the machine that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
