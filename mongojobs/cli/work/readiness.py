"""Telling whoever started the worker that it is ready: `mongojobs daemon start`, or systemd.

The one waits at a pipe for lines; the other listens at a socket, one datagram each. Source: sd_notify(3).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from mongojobs.core.words.wording import printable
from mongojobs.process.supervisor import BOOT_DESCRIPTOR

if TYPE_CHECKING:
    from mongojobs.core.notices import Notice
    from mongojobs.process.supervisor import ChildCommand

READY_DESCRIPTOR: Final = "MONGOJOBS_READY_DESCRIPTOR"
"""The environment variable that names the writing end of the pipe."""

READY: Final = "ready"
WAITING: Final = "waiting"
PROCESSES: Final = "processes"
"""The first words of the lines; the last two go on with the reason, and with how many will report for themselves."""

_SYSTEMD: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_SECONDS_BETWEEN_BEATS: Final = 1.0
_LONGEST_LINE: Final = 300


class Boot:
    """Tells the supervisor that started this process, if there is one, that the app is imported."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Self:
        """Return it, removing its variable from *environ* so that nothing the app starts inherits it."""
        descriptor = _number(environ.pop(BOOT_DESCRIPTOR, ""))
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
        return cls(descriptor)

    def done(self) -> None:
        """Say so."""
        if self._descriptor is not None:
            with suppress(OSError):  # nobody waits any more
                os.write(self._descriptor, b"\n")
            os.close(self._descriptor)
            self._descriptor = None


class ReadinessNotifier:
    """Notifies whoever *environ* names, if it names anyone."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._descriptor = _number(environ.get(READY_DESCRIPTOR, ""))
        self._beaten = 0.0
        self._is_told = False

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Self:
        """Return it, removing its variables from *environ* so that nothing the jobs start inherits them."""
        notifier = cls(environ)
        for name in (READY_DESCRIPTOR, *_SYSTEMD):
            environ.pop(name, None)
        if notifier._descriptor is not None:
            os.set_inheritable(notifier._descriptor, False)
        return notifier

    def hear(self, notice: Notice) -> None:
        """Pass on the notices of a worker's start and stop."""
        from mongojobs.core import notices

        match notice:
            case notices.WorkerStarted():
                self.ready()
            case notices.DatabaseAway(error=error):
                why = printable(" ".join(error.split()))
                self._tell(f"{WAITING} {why}", f"READY=1\nSTATUS=Waiting for the database: {why}")
            case notices.DatabaseBack():
                self._notify("STATUS=Working")
            case notices.WorkerStopping():
                self.stopping()
            case _:
                pass

    def ready(self) -> None:
        """Report that the worker is ready."""
        self._tell(READY, "READY=1\nSTATUS=Working")

    def share(self, commands: Sequence[ChildCommand]) -> list[ChildCommand]:
        """Report that each of these children of a supervisor reports for itself; return them with what that takes."""
        self._notify("READY=1\nSTATUS=Supervising")
        if self._descriptor is None:
            return list(commands)
        self._write(f"{PROCESSES} {len(commands)}")
        return [
            replace(
                command,
                environ={**command.environ, READY_DESCRIPTOR: str(self._descriptor)},
                descriptors=(self._descriptor,),
            )
            for command in commands
        ]

    def beat(self) -> None:
        """Report to a watchdog that it still works, but not too often."""
        now = time.monotonic()
        if self._address and now - self._beaten >= _SECONDS_BETWEEN_BEATS:
            self._beaten = now
            self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the worker is stopping."""
        self._notify("STOPPING=1")

    def _tell(self, line: str, state: str) -> None:
        self._notify(state)
        if self._is_told or self._descriptor is None:
            return
        self._is_told = True
        self._write(line)
        os.close(self._descriptor)

    def _write(self, line: str) -> None:
        if self._descriptor is not None:
            with suppress(OSError):  # nobody waits any more
                os.write(self._descriptor, f"{line[:_LONGEST_LINE]}\n".encode())

    def _notify(self, state: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.settimeout(_SECONDS_BETWEEN_BEATS)
            teller.sendto(state.encode(), address)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
