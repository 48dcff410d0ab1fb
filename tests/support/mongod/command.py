"""Runs a command while a server is there for it."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType

from tests.support.mongod.errors import MongodError


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run *command* to its end, passing signals on to it, and return its exit status as a shell tells it."""
    signals = _PassedOn()
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise MongodError(f"{command[0]} cannot be run: {error.strerror}.") from error
    signals.pass_on_to(process)
    status = process.wait()
    return status if status >= 0 else 128 - status


class _PassedOn:
    """Signals that are meant for the command, from before it has started."""

    def __init__(self) -> None:
        self._early: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def pass_on_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif not (number == signal.SIGINT and _is_in_the_foreground()):
            self._process.send_signal(number)


def _is_in_the_foreground() -> bool:
    """Whether a terminal sends Ctrl-C to us and our children alike: passed on, it would reach them twice."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
