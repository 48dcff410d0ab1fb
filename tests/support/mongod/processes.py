"""Processes and folders that do not outlive the process that made them, however that ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

_PR_SET_PDEATHSIG = 1

# Its standard input ends when told, or when the process at the other end is gone. A mongod that is being
# killed at that moment may still write into the folder, hence the repetition.
_SWEEP = """
    trap "" INT TERM HUP
    cat >/dev/null
    for attempt in 1 2 3 4 5 6 7 8 9; do
        rm -rf "$0" 2>/dev/null && exit
        sleep 0.2
    done
"""


class Launcher(Protocol):
    """Starts processes."""

    def launch(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start *command* away from the terminal, so that its Ctrl-C does not reach it."""

    def close(self) -> None:
        """Start nothing more."""


class MortalLauncher:
    """Starts processes that the kernel kills when this process is gone (Linux; elsewhere they may be left).

    The kernel watches the *thread* that started a process, not the process: so one thread, which lives as
    long as the launcher, starts them all.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mongod-launcher")

    def launch(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start *command*; it dies with this process."""
        start = self._thread.submit(_start, command, environment, before=_die_with_this_process())
        return start.result()

    def close(self) -> None:
        """Let the thread end; what was launched must be gone by then, or is killed."""
        self._thread.shutdown()


class DetachedLauncher:
    """Starts processes that go on when this process has ended."""

    def launch(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start *command*."""
        return _start(command, environment)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class Sweeper:
    """Removes a folder when told to, or when this process is gone."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", _SWEEP, str(folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    def sweep(self) -> None:
        """Remove the folder now."""
        self._process.communicate()


def _start(
    command: Sequence[str], environment: Mapping[str, str], *, before: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=before,  # noqa: PLW1509 - it makes two system calls and takes no lock
    )


def _die_with_this_process() -> Callable[[], None] | None:
    """Return what a child does before it becomes the command; a forked child must not look things up."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_to_be_killed() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have gone before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)

    return ask_to_be_killed


def command_line(pid: int) -> str:
    """Return the command that process *pid* runs, or nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()
