"""Processes by their numbers."""

import re
from pathlib import Path


def pid_in(line: str) -> int:
    """Return the number that a line ends with."""
    return int(re.findall(r"\d+", line)[-1])


def lives(pid: int) -> bool:
    """Whether it has not ended yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
