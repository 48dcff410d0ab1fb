"""A child process that runs jobs for one slot, from its worker's point of view."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from signal import Signals
from typing import Final

from mongojobs.core.job import Document
from mongojobs.process.memory import in_mib, peak_bytes
from mongojobs.process.signals import held_back
from mongojobs.process.supervisor import STACKS_SECONDS, ChildCommand
from mongojobs.worker.children.channel import Channel

PATIENCE_SECONDS: Final = 0.25
"""How often a thread waiting for a child checks whether something else has changed."""
DEATH_SECONDS: Final = 1.0
"""How long a process may take to end after its connection has closed."""
_LOOK_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class ExitReport:
    """How a process ended, in words to follow "the process"."""

    how: str
    peak: str


class Child:
    """A process in its own group, so that Ctrl-C does not reach its jobs, and everything a job starts ends with it.

    Signals are held back while it starts, until it has its handlers. The far end of the pipe *life* is never written
    to; that it closes, as when the worker dies, ends the child by a signal, even one in C code that holds Python's
    interpreter lock. Source: pipe(7), fcntl(2), F_SETOWN.
    """

    def __init__(self, command: ChildCommand) -> None:
        self.is_ready = False
        self.was_aborted: bool = False
        self.runs = 0
        self.memory = 0
        """What it occupied at the end of its last run, in bytes; 0 while unknown."""
        self._was_told = False
        self._ending = threading.Lock()
        self._killed = ""
        self._death: ExitReport | None = None
        self._least_peak = peak_bytes()
        ours, theirs = socket.socketpair()
        life, self._life = os.pipe()
        try:
            arguments = [*command.arguments, f"--channel={theirs.fileno()}", f"--life={life}"]
            with held_back():
                self._process = subprocess.Popen(
                    arguments,
                    env=command.environ,
                    cwd=command.folder,
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), life),
                    process_group=0,
                )
        except BaseException:
            ours.close()
            os.close(self._life)
            raise
        finally:
            theirs.close()
            os.close(life)
        self._channel = Channel(ours, PATIENCE_SECONDS)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: Document) -> None:
        """Send it a job. Raises OSError if it has ended."""
        self._was_told = False
        self._channel.send(message)

    def tell(self, message: Document) -> None:
        """Send it a message about its job; ignored if it has ended."""
        self._was_told = True
        with suppress(OSError):
            self._channel.send(message)

    def receive(self) -> Document | None:
        """Return its next message, or None if there will be none.

        Raises TimeoutError now and then, and ConnectionResetError when it ended before it had read of the job. What it
        was told later may well be unread: it may have been busy with the job.
        """
        try:
            return self._next_message()
        except ConnectionResetError:
            if self._was_told or self.was_aborted:
                return None
            raise

    def _next_message(self) -> Document | None:
        """Do as ``receive``; asks the system whether the process lives only once it has been silent for a while."""
        try:
            return self._channel.receive()
        except TimeoutError:
            if not self._has_ended():
                raise
        with suppress(TimeoutError):  # it may have spoken just before it ended
            return self._channel.receive()
        return None  # what its job has started keeps its end of the connection open

    def _has_ended(self) -> bool:
        """Whether it has ended, leaving it to ``reap``; False if that cannot be known, as on older macOS."""
        if not hasattr(os, "waitid"):
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def abort(self) -> None:
        """Kill it, with no fault to report."""
        self.was_aborted = True
        self._kill()

    def end_boot(self, how: str) -> None:
        """Kill it for not starting, after it has written where it hangs; *how* describes its death."""
        with self._ending:
            if self._death is None:
                self._killed = how
                os.kill(self.pid, signal.SIGUSR2)
        threading.Event().wait(STACKS_SECONDS)
        self._kill()

    def shut_down(self) -> None:
        """Let it end by itself, which it does unless it is running a job."""
        self.was_aborted = True
        self._channel.shut()

    def reap(self, patience: float = DEATH_SECONDS) -> ExitReport:
        """Wait until it has ended, killing it if it does not, and return how it ended. May be repeated."""
        deadline = time.monotonic() + patience
        waiting = threading.Event()
        while (death := self._look()) is None:
            if time.monotonic() >= deadline:
                self._kill()
            waiting.wait(_LOOK_SECONDS)
        return death

    def _look(self) -> ExitReport | None:
        with self._ending:
            if self._death is None and (death := self._reap()) is not None:
                self._death = death
                self._channel.close()
                os.close(self._life)
            return self._death

    def _kill(self) -> None:
        with self._ending:
            if self._death is None:
                self._killed = self._killed or "closed its connection to the worker, and was killed"
                _kill_group(self.pid)

    def _reap(self) -> ExitReport | None:
        """Note its end if it has ended, and end everything its job has started unless it exited normally."""
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._process.returncode = 0
            return ExitReport("ended, and something else reaped it", "its peak memory is not known")
        if not pid:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            _kill_group(self.pid)
        return ExitReport(self._how(self._process.returncode), self._peak(usage))

    def _how(self, status: int) -> str:
        if self._killed:
            return self._killed
        if status >= 0:
            return f"ended with exit status {status}"
        hint = ", as when memory runs out" if -status == signal.SIGKILL else ""
        return f"was killed by signal {-status} ({_name(-status)}{hint})"

    def _peak(self, usage: resource.struct_rusage) -> str:
        """Describe its peak memory. A process inherits its parent's peak, so a lower one of its own is unknown."""
        peak = peak_bytes(usage)
        if peak > self._least_peak:
            return f"its peak memory was {in_mib(peak)}"
        return f"its peak memory was at most {in_mib(peak)}"


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return "unknown"
