"""How a process of ours ends: its exit status, and what would hold it up."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Final, NoReturn

from mongojobs.process.signals import STOP_SIGNALS

logger: logging.Logger = logging.getLogger("mongojobs")

LEAVING_SECONDS: Final = 2.0
"""How long Python may take to end after the worker has; with all before it, less than Heroku's 30 s."""


@dataclass(frozen=True, slots=True)
class ExitResult:
    """The exit *status* of the process, and whether threads are still running that would hold it up."""

    status: int
    leaves_threads: bool = False

    def leave(self) -> NoReturn:
        """Exit the process, after the last lines are written.

        Further signals change nothing: platforms send several, and one that came while Python cleans up would turn
        status 0 into that of a crash.
        """
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.leaves_threads:
            self._leave_at_once()
        threading.Thread(target=self._leave_at_last, name="mongojobs-leaving", daemon=True).start()
        sys.exit(self.status)

    def _leave_at_last(self) -> None:
        """Exit although Python is waiting for what jobs have left behind, such as a child of multiprocessing."""
        threading.Event().wait(LEAVING_SECONDS)
        logger.warning("Exiting although Python is still waiting for threads or processes that jobs have left behind")
        self._leave_at_once()

    def _leave_at_once(self) -> NoReturn:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.status)
