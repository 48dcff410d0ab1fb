"""Running a command anew whenever files change: for development."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Collection, Iterable
from signal import Signals
from typing import Final

from mongojobs.process.signals import INTERRUPT_AGAIN, SUPERVISED, Mailbox, held_back
from mongojobs.process.supervisor import DISMISSED_STATUS, PASSED_ON, ChildCommand

logger: logging.Logger = logging.getLogger("mongojobs")

_ENDED: Final = (0, DISMISSED_STATUS)
"""Exit statuses that say that there is nothing more to do."""


class Reloader:
    """Keeps *command* running until a signal stops it or it has nothing more to do, and restarts it after *changes*.

    *changes* gives, several times a second, the names of the files that have changed since, mostly none. A command that
    fails, as for a mistake in the code, is started again after the next change.
    """

    def __init__(self, command: ChildCommand, changes: Iterable[Collection[str]]) -> None:
        self._command = command
        self._changes = changes
        self._process: subprocess.Popen[bytes] | None = None
        self._is_due = True
        self._is_stopping = False
        self._interrupted = False
        self._status = 0

    def run(self) -> int:
        """Return the exit status of the command that ended last. For the main thread only."""
        with Mailbox([*PASSED_ON, Signals.SIGINT]) as mailbox:
            try:
                for changed in self._changes:
                    for number in mailbox.receive(0):
                        self._obey(number)
                    if changed:
                        self._renew(changed)
                    if not self._goes_on():
                        break
            finally:
                self._kill()
        return self._status

    def _obey(self, number: Signals) -> None:
        """Pass *number* on. The child ignores Ctrl-C: the first one stops it, the second one stops it at once."""
        passed_on = PASSED_ON.get(number, Signals.SIGQUIT if self._interrupted else Signals.SIGTERM)
        if number == Signals.SIGINT and not self._interrupted:
            logger.info(INTERRUPT_AGAIN)
            self._interrupted = True
        if passed_on in (Signals.SIGTERM, Signals.SIGQUIT):
            self._is_stopping, self._is_due = True, False
        self._send(passed_on)

    def _renew(self, changed: Collection[str]) -> None:
        """Stop the child as a deploy would, once; what runs may end."""
        if self._is_stopping:
            return
        if not self._is_due:
            logger.info("[Reloader(pid:%d)] Starting anew, as %s has changed", os.getpid(), ", ".join(sorted(changed)))
            self._send(Signals.SIGTERM)
        self._is_due = True

    def _goes_on(self) -> bool:
        """Note whether the child has ended, and start it if it is due; False if nothing is left to do."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self._process, self._status = None, status
            if not self._is_due and not self._is_stopping and status not in _ENDED:
                logger.warning("[Reloader(pid:%d)] Status %d: waiting for a file to change", os.getpid(), status)
        if self._process is None and self._is_due:
            self._start()
        return self._process is not None or not (self._is_stopping or self._status in _ENDED)

    def _start(self) -> None:
        self._is_due = False
        with held_back():
            self._process = subprocess.Popen(
                self._command.arguments,
                env={**self._command.environ, SUPERVISED: str(os.getpid())},
                cwd=self._command.folder,
            )

    def _send(self, number: Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
