"""The supervisor: it keeps several worker processes alive, and stops them together.

It never imports the app and knows no database, so it is small, and nothing in the app can bring it down. The processes
are fresh ones: a forked one would inherit threads, locks and connections in whatever state they were.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import Final

from mongojobs.core.words.durations import format_duration
from mongojobs.process.signals import INTERRUPT_AGAIN, PARENT_SECONDS, SUPERVISED, Mailbox, held_back

logger: logging.Logger = logging.getLogger("mongojobs")

SETUP_STATUSES: Final = (2, 3, 4, 5)
"""Exit statuses after which a child would only fail again: bad usage, no app, no database, no indexes."""

DISMISSED_STATUS: Final = 72
"""The exit status of a child that people have told to stop, and that must not be restarted."""

BOOT_DESCRIPTOR: Final = "MONGOJOBS_BOOT_DESCRIPTOR"
"""The environment variable that names the pipe to which a child writes once it has imported the app."""

LONGEST_BOOT: Final = timedelta(minutes=10)
STACKS_SECONDS: Final = 1.0
"""How long a process may take to write where it hangs before it is killed."""

KILL_AFTER_SECONDS: Final = 5.0
"""How much longer than their ``shutdown_timeout`` the children may take to exit."""

_LONG_LIFE_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = 5.0
PASSED_ON: Final = {
    Signals.SIGTERM: Signals.SIGTERM,
    Signals.SIGQUIT: Signals.SIGQUIT,
    Signals.SIGTSTP: Signals.SIGTSTP,
    Signals.SIGUSR1: Signals.SIGUSR1,
    Signals.SIGUSR2: Signals.SIGUSR2,
}
"""What a child is sent for each signal to its supervisor."""


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """How to start a child: its arguments, environment, open *descriptors* and *folder*.

    A folder of its own, as the app or one of its jobs may have led this process to another one since.
    """

    arguments: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    descriptors: Sequence[int] = ()
    folder: Path | None = None


class Supervisor:
    """Runs one child for each of *commands* until a signal stops it, or no child is left to run.

    A child that ends is started again; but not one that ends with one of *final_statuses*, which says that its work is
    done. One that ends because of its set-up ends all the others too. *beat* is called at least every five seconds. One
    that does not say within *boot_timeout* that it has imported the app is killed, and the next one gets twice as long.
    Under a *parent*, whose process id that is, it stops when that is gone.
    """

    def __init__(
        self,
        commands: Sequence[ChildCommand],
        *,
        shutdown_timeout: timedelta,
        boot_timeout: timedelta = timedelta(seconds=60),
        final_statuses: frozenset[int] = frozenset(),
        beat: Callable[[], None] = lambda: None,
        parent: int | None = None,
    ) -> None:
        self._children = [_Child(number, command, boot_timeout) for number, command in enumerate(commands)]
        self._grace = shutdown_timeout
        self._kill_after = shutdown_timeout.total_seconds() + KILL_AFTER_SECONDS
        self._final_statuses = final_statuses
        self._beat = beat
        self._parent = parent
        self._stopping_since: float | None = None
        self._interrupted = False
        self._status = 0

    def run(self) -> int:
        """Return the exit status of the process once all children have ended. For the main thread only."""
        logger.info("[Supervisor(pid:%d)] Starting %d worker processes", os.getpid(), len(self._children))
        with Mailbox([*PASSED_ON, Signals.SIGINT, Signals.SIGCHLD]) as mailbox:
            try:
                while self._is_busy():
                    self._beat()
                    self._start_due()
                    for number in mailbox.receive(self._seconds_to_wait()):
                        self._obey(number)
                    self._mind_parent()
                    self._bury()
                    self._kill_hanging()
                    self._kill_overdue()
            finally:
                for child in self._children:
                    child.kill()
        logger.info("[Supervisor(pid:%d)] Stopped", os.getpid())
        return self._status

    def _mind_parent(self) -> None:
        if self._parent is not None and os.getppid() != self._parent:
            self._parent = None
            logger.warning("[Supervisor(pid:%d)] Its own parent is gone: stopping", os.getpid())
            self._stop(Signals.SIGTERM)

    def _is_busy(self) -> bool:
        return any(child.is_alive or child.is_wanted for child in self._children)

    def _start_due(self) -> None:
        for child in self._children:
            if child.is_wanted and not child.is_alive and child.due <= time.monotonic():
                child.start()

    def _seconds_to_wait(self) -> float:
        moments = [child.due for child in self._children if child.is_wanted and not child.is_alive]
        moments += [child.boot_ends for child in self._children if child.is_booting()]
        if self._stopping_since is not None:
            moments.append(self._stopping_since + self._kill_after)
        seconds = min(moments, default=float("inf")) - time.monotonic()
        return min(max(seconds, 0.01), _LONGEST_WAIT_SECONDS if self._parent is None else PARENT_SECONDS)

    def _obey(self, number: Signals) -> None:
        """Pass *number* on. The children ignore Ctrl-C: the first one stops them, the second one stops them at once."""
        if number == Signals.SIGCHLD:
            return
        if number == Signals.SIGINT:
            passed_on = Signals.SIGQUIT if self._interrupted else Signals.SIGTERM
            if not self._interrupted:
                logger.info(INTERRUPT_AGAIN)
            self._interrupted = True
        else:
            passed_on = PASSED_ON[number]
        if passed_on in (Signals.SIGTERM, Signals.SIGQUIT):
            self._stop(passed_on)
        else:
            self._send(passed_on)

    def _stop(self, number: Signals) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            grace = f" Waiting at most {format_duration(self._grace)} for the jobs of the worker processes"
            logger.info("[Supervisor(pid:%d)] Exiting...%s", os.getpid(), grace if number == Signals.SIGTERM else "")
        for child in self._children:
            child.is_wanted = False
        self._send(number)

    def _send(self, number: Signals) -> None:
        for child in self._children:
            child.send(number)

    def _bury(self) -> None:
        """Note which children have ended, and decide what to do about each."""
        for child in self._children:
            name = str(child)
            status = child.end()
            if status is None:
                continue
            if status == DISMISSED_STATUS:
                child.is_wanted = False
                logger.info("%s was told to stop: it is not started again", name)
            elif status in self._final_statuses:
                child.is_wanted = False
                self._status = max(self._status, status)
            elif status in SETUP_STATUSES and self._stopping_since is None:
                self._give_up(name, status)
            elif child.is_wanted:
                child.plan_restart(longest=_FIRST_PAUSE_SECONDS if status == 0 else _LONGEST_PAUSE_SECONDS)
                logger.warning("%s %s: starting it again", name, _ended_how(status))

    def _give_up(self, name: str, status: int) -> None:
        """End with *status*, as a child could not start; its own message is in the log already."""
        logger.error("%s %s, a fault of its set-up: stopping all", name, _ended_how(status))
        self._status = status
        self._stop(Signals.SIGTERM)

    def _kill_hanging(self) -> None:
        for child in self._children:
            if child.is_booting() and time.monotonic() >= child.boot_ends:
                child.end_boot()

    def _kill_overdue(self) -> None:
        if self._stopping_since is None or time.monotonic() < self._stopping_since + self._kill_after:
            return
        for child in self._children:
            if child.is_alive:
                logger.error("%s does not stop: killing it; its jobs are rescued when their leases run out", child)
            child.kill()


class _Child:
    """One of the processes; it keeps its number across restarts."""

    def __init__(self, number: int, command: ChildCommand, boot_timeout: timedelta = timedelta(seconds=60)) -> None:
        self.is_wanted = True
        self.due = 0.0
        self.boot_ends = 0.0
        """When its import of the app is taken for one that hangs, and later, when it is killed because of that."""
        self._boot_timeout = boot_timeout
        self._boot_limit = boot_timeout
        self._booting: int | None = None
        self._has_hung = False
        self._number = number
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = 0.0

    def __str__(self) -> str:
        pid = "" if self._process is None else f" (pid {self._process.pid})"
        return f"Worker process {self._number}{pid}"

    @property
    def is_alive(self) -> bool:
        """Whether it has been started and its end has not been noted yet."""
        return self._process is not None

    def start(self) -> None:
        """Start it; if that fails, as for lack of memory, try again later."""
        self._started_at = time.monotonic()
        self.boot_ends = self._started_at + self._boot_limit.total_seconds()
        try:
            self._popen()
        except OSError as error:
            logger.error("%s cannot be started: %s", self, error)  # noqa: TRY400 - where it was raised tells nothing
            self.plan_restart()

    def _popen(self) -> None:
        self._booting, telling = os.pipe()
        environ = {**self._command.environ, SUPERVISED: str(os.getpid()), BOOT_DESCRIPTOR: str(telling)}
        try:
            with held_back():
                self._process = subprocess.Popen(
                    self._command.arguments,
                    env=environ,
                    cwd=self._command.folder,
                    pass_fds=(*self._command.descriptors, telling),
                )
        except OSError:
            self._stop_listening()
            raise
        finally:
            os.close(telling)

    def is_booting(self) -> bool:
        """Whether it is alive but has not yet reported that it imported the app."""
        if self._booting is not None and select.select([self._booting], [], [], 0)[0]:
            if os.read(self._booting, 1):  # else it has ended without a word
                self._boot_limit, self._has_hung = self._boot_timeout, False
            self._stop_listening()
        return self._booting is not None

    def end_boot(self) -> None:
        """Make it write where it hangs, then kill it."""
        if self._has_hung:
            self.kill()
            return
        self._has_hung = True
        logger.error(
            "%s has not imported the app within %s: killing it once it has written its stacks",
            *(self, format_duration(self._boot_limit)),
        )
        self._boot_limit = max(min(self._boot_limit * 2, LONGEST_BOOT), self._boot_timeout)
        self.boot_ends = time.monotonic() + STACKS_SECONDS
        self.send(Signals.SIGUSR2)

    def _stop_listening(self) -> None:
        if self._booting is not None:
            os.close(self._booting)
            self._booting = None

    def send(self, number: Signals) -> None:
        """Send it a signal if it is alive."""
        if self._process is not None:
            self._process.send_signal(number)

    def end(self) -> int | None:
        """Return its exit status once it has ended, and only once; a negative one is the signal that killed it."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            self._process = None
            self._has_hung = False
            self._stop_listening()
        return status

    def plan_restart(self, longest: float = _LONGEST_PAUSE_SECONDS) -> None:
        """Schedule its restart: at once after a long life, later and later if it keeps ending soon after it starts.

        But after *longest* seconds at the latest: one that left of its own will is awaited.
        """
        if time.monotonic() - self._started_at >= _LONG_LIFE_SECONDS:
            self._pause = 0.0
        self.due = time.monotonic() + min(self._pause, longest)
        self._pause = min(self._pause * 2 or _FIRST_PAUSE_SECONDS, longest)

    def kill(self) -> None:
        """Kill it if it is alive; ``end`` notes that."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _ended_how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by signal {-status} ({signal.strsignal(-status) or 'unknown'})"
