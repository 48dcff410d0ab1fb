"""Which process it is: a process id alone does not say, as the system reuses it later."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Final, Self

_PROC: Final = Path("/proc/self/stat").exists()
_STARTED_FIELD: Final = 19
"""The position of the start time in /proc/PID/stat after the name, which may contain spaces and brackets."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process by its id and the time it started, in whatever form the system gives that."""

    pid: int
    started: str

    @classmethod
    def own(cls) -> Self:
        """Return the identity of this process."""
        return cls(os.getpid(), _started(os.getpid()))

    @property
    def is_there(self) -> bool:
        """Whether this very process still exists."""
        return bool(self.started) and _started(self.pid) == self.started

    def send(self, number: Signals) -> bool:
        """Send a signal to this very process, never to another with the same id; return whether it was there.

        The descriptor is opened first and the start looked at then, so that the number cannot change hands between.
        """
        with _descriptor(self.pid) as descriptor:
            if not self.is_there:
                return False
            with suppress(ProcessLookupError):
                if descriptor is None:
                    os.kill(self.pid, number)
                else:
                    signal.pidfd_send_signal(descriptor, number)
                return True
        return False


@contextmanager
def _descriptor(pid: int) -> Iterator[int | None]:
    """Open a descriptor of the process; None if the system has no such thing."""
    try:
        descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _started(pid: int) -> str:
    """Return when the process was started, or nothing if it does not exist."""
    if not _PROC:
        return _started_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[_STARTED_FIELD]


def _started_by_ps(pid: int) -> str:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]  # without PATH the system looks in its own folders
    found = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    return "-".join(found.stdout.split())
