"""Starting a worker in the background, and waiting until it works or has said why not.

It is a fresh process, in a session of its own, without a terminal and with nothing to read; nobody but its owner may
write to what it writes, and it stays in the folder where it was started, as the app may have to be imported from there.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.work.options import WorkOptions
from mongojobs.cli.work.own_command import own_command, own_environment
from mongojobs.cli.work.readiness import PROCESSES, READY, READY_DESCRIPTOR, WAITING

_NOT_FOR_OTHERS: Final = 0o022
_SHOWN_LINES: Final = 15
_SHOWN_BYTES: Final = 16_000
_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True)
class Launched:
    """A daemon that works; *waits_for* is what keeps it from the database, if anything does."""

    pid: int
    waits_for: str = ""


def launch(options: GlobalOptions, work: WorkOptions, *, log: Path, seconds: float) -> Launched:
    """Start it, and return once all of its processes work. Raises Failure with the end of its log."""
    reading, writing = os.pipe()
    before = _size(log)
    try:
        process = _spawn(options, work, log, writing)
    finally:
        os.close(writing)
    try:
        news = _wait(reading, seconds)
    except BaseException:
        process.terminate()  # Ctrl-C: who gives up waiting does not want it
        raise
    finally:
        os.close(reading)
    if news.is_ready:
        return Launched(process.pid, news.waits_for)
    if news.has_ended:
        status = process.wait()
        raise Failure(f"it did not start: status {status}{_end_of(log, before)}", status if status > 0 else NO)
    raise Failure(
        f"it is not up after {seconds:g} s, but is still trying (pid {process.pid}){_end_of(log, before)}", NO
    )


@dataclass(slots=True)
class _News:
    """What has been heard so far."""

    processes: int = 1
    ready: int = 0
    waits_for: str = ""
    has_ended: bool = False
    _rest: bytes = field(default=b"", repr=False)

    @property
    def is_ready(self) -> bool:
        return self.ready >= self.processes

    def hear(self, heard: bytes) -> None:
        self.has_ended = not heard
        *lines, self._rest = (self._rest + heard).split(b"\n")
        for line in lines:
            self._understand(*line.decode("utf-8", "replace").partition(" ")[::2])

    def _understand(self, word: str, rest: str) -> None:
        if word == PROCESSES:
            self.processes = int(rest)
        elif word in (READY, WAITING):
            self.ready += 1
            self.waits_for = rest or self.waits_for


def _wait(reading: int, seconds: float) -> _News:
    news, deadline = _News(), time.monotonic() + seconds
    while not (news.is_ready or news.has_ended):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            break
        news.hear(os.read(reading, _CHUNK))
    return news


def _spawn(options: GlobalOptions, work: WorkOptions, log: Path, writing: int) -> subprocess.Popen[bytes]:
    with _nothing_writable_by_others():
        output = _open_log(log)
        try:
            return subprocess.Popen(
                _command(options, work),
                env={**own_environment(options), READY_DESCRIPTOR: str(writing)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            output.close()


@contextmanager
def _nothing_writable_by_others() -> Iterator[None]:
    """Let nobody else write to the files that are made meanwhile, and by processes started meanwhile."""
    mask = os.umask(_NOT_FOR_OTHERS)
    os.umask(mask | _NOT_FOR_OTHERS)
    try:
        yield
    finally:
        os.umask(mask)


def _open_log(log: Path) -> BinaryIO:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as error:
        raise Failure(f"cannot write the log {log}: {error.strerror}", NO) from None


def _command(options: GlobalOptions, work: WorkOptions) -> list[str]:
    """Return the command of the daemon; its log is its standard output."""
    work = replace(work, log_dir=None)
    return own_command(options, *work.words(), *work.supervisor_words())


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _end_of(log: Path, before: int) -> str:
    """Return the last lines of what has been written to the log since."""
    try:
        with log.open("rb") as file:
            file.seek(max(before, _size(log) - _SHOWN_BYTES))
            lines = file.read(_SHOWN_BYTES).decode("utf-8", "replace").splitlines()[-_SHOWN_LINES:]
    except OSError:
        lines = []
    return f". Its log ({log}) says:\n" + "\n".join(f"  {line}" for line in lines) if lines else f"; its log is {log}"
