"""A file that says when a worker's loop last turned, for health checks that have no port to ask.

It holds the seconds of the monotonic clock, which all processes of a machine share and nobody sets.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

logger: logging.Logger = logging.getLogger("mongojobs")

SHORTEST_SECONDS: Final = 1.0
"""A busy loop turns hundreds of times a second; the file is written only once."""

_READABLE: Final = 0o644
_TURNED: Final = "turned_at_monotonic_seconds"
_PROCESSES: Final = "processes"


class HeartbeatFile:
    """Records when the loop turns, so that a reader never finds half a file; removed after the ``with`` block.

    A folder that cannot be written is told once, and the worker goes on: it is no reason to stop working.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: float | None = None
        self._has_failed = False

    def beat(self) -> None:
        """Record that the loop has turned, at most once a second."""
        now = time.monotonic()
        if self._written is not None and now - self._written < SHORTEST_SECONDS:
            return
        self._written = now
        self._write({_TURNED: now, "pid": os.getpid()})

    def refer_to(self, processes: int) -> None:
        """Say that this many processes of a supervisor each write their own file."""
        self._write({_PROCESSES: processes, "pid": os.getpid()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _write(self, fact: dict[str, float]) -> None:
        try:
            _replace(self._path, json.dumps(fact))
        except OSError as error:
            if not self._has_failed:
                logger.error("cannot write the heartbeat file %s: %s", self._path, error.strerror)  # noqa: TRY400 - whole
            self._has_failed = True
        else:
            self._has_failed = False


def part_of(path: Path, number: int) -> Path:
    """Return the file of process *number* of a supervisor whose own file is *path*."""
    return path.with_name(f"{path.name}.{number}")


def ages_in(path: Path) -> Sequence[float | None]:
    """Return how many seconds ago each loop with a file at *path* or below it turned; None: not since the boot."""
    fact = _read(path)
    processes = fact.get(_PROCESSES)
    if isinstance(processes, int):
        return [_age(_read(part_of(path, number))) for number in range(processes)]
    return [_age(fact)]


def _age(fact: dict[str, object]) -> float | None:
    turned = fact.get(_TURNED)
    if not isinstance(turned, float):
        return None
    age = time.monotonic() - turned
    return age if age >= 0 else None


def _read(path: Path) -> dict[str, object]:
    try:
        fact = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fact if isinstance(fact, dict) else {}


def _replace(path: Path, text: str) -> None:
    """Put a new file in place of *path*; a link there is replaced, never followed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(descriptor, _READABLE)
            file.write(text)
        os.replace(name, path)  # noqa: PTH105 - a name that is a text
    except BaseException:
        os.unlink(name)  # noqa: PTH108 - a name that is a text
        raise
