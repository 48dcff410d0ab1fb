"""Pid files that do no harm: they follow no link, and a lock, not a number, shows what is running.

Whoever works holds a lock on the file for as long as it lives; the system lets go of it when the process ends, however
that comes. So a stale file is known for what it is, and no stranger gets a signal that has the number of the dead. All
is done in a folder that nobody else can write to, through a descriptor of that folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mongojobs.cli.shared.failures import CONFLICT, Failure
from mongojobs.process.identity import ProcessIdentity

State = Literal["running", "dead", "stopped"]

_WRITABLE_BY_OTHERS: Final = 0o022
_OURS_ALONE: Final = 0o600
_FOLDER: Final = 0o755
_LONGEST: Final = 1000
_TRIES: Final = 5
_AGAIN_SECONDS: Final = 0.05
"""A process that only checks whether a file is locked holds the lock for a moment itself."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a pid file: ``dead`` if no process holds the file any more, ``stopped`` if there is none.

    *patience_seconds* is how long the process may take to stop. A file that is just being written names no process yet.
    """

    state: State
    process: ProcessIdentity | None = None
    patience_seconds: float | None = None


class PidFile:
    """The pid file at *path*; anything else there is left alone, and refused with Failure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @contextmanager
    def held(self, *, patience_seconds: float) -> Iterator[None]:
        """Hold the file in the block, for this process, which may take *patience_seconds* to stop. Raises Failure."""
        self._make_folder()
        with self._folder() as folder:
            descriptor = self._descriptor = self._take(folder)
            os.register_at_fork(after_in_child=self._let_go)  # else a child that is forked holds the lock too
            process = ProcessIdentity.own()
            _write(descriptor, f"{process.pid}\nstarted {process.started}\npatience {patience_seconds}\n")
            try:
                yield
            finally:
                if self._descriptor is not None:
                    self._unlink(folder, descriptor)  # while it is locked, so that nobody can have taken it over
                self._let_go()

    def look(self) -> Seen:
        """Return the state of the file. Raises Failure."""
        with ExitStack() as opened:
            found = self._find(opened)
            if found is None:
                return Seen("stopped")
            _, descriptor = found
            if _lock(descriptor, fcntl.LOCK_SH):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                return Seen("dead", *_read(descriptor))
            return Seen("running", *_read(descriptor))

    def clear(self) -> bool:
        """Remove the file if no process holds it; return whether one was removed. Raises Failure."""
        with ExitStack() as opened:
            found = self._find(opened)
            return found is not None and _lock(found[1], fcntl.LOCK_EX) and self._unlink(*found)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """Open the folder if no other user can write to it. Raises FileNotFoundError."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._refused(f"{self.path.parent}: {error.strerror}") from None
        try:
            found = os.fstat(folder)
            if found.st_uid not in (0, os.geteuid()):
                raise self._refused(
                    f"the folder {self.path.parent} belongs to another user: give another with --pid-dir"
                )
            if found.st_mode & _WRITABLE_BY_OTHERS:
                raise self._refused(
                    f"others can write to the folder {self.path.parent}: chmod go-w it, or give another with --pid-dir"
                )
            yield folder
        finally:
            os.close(folder)

    def _find(self, opened: ExitStack) -> tuple[int, int] | None:
        """Return the descriptors of the folder and the file, closed by *opened*; None if there is no such file."""
        try:
            folder = opened.enter_context(self._folder())
        except FileNotFoundError:
            return None
        descriptor = self._open_existing(folder)
        if descriptor is None:
            return None
        opened.callback(os.close, descriptor)
        return folder, descriptor

    def _take(self, folder: int) -> int:
        """Return the descriptor of the file, locked and in place: its last holder may be removing it just now."""
        for _ in range(_TRIES):
            descriptor = self._create(folder)
            if descriptor is None:
                descriptor = self._open_existing(folder)
            if descriptor is None:
                continue
            if _lock(descriptor, fcntl.LOCK_EX) and self._is_in_place(folder, descriptor):
                return descriptor
            process, _ = _read(descriptor)
            os.close(descriptor)
            threading.Event().wait(_AGAIN_SECONDS)
        who = f" (pid {process.pid})" if process else ""
        raise Failure(f"it is already running{who}: {self.path} is locked", CONFLICT)

    def _create(self, folder: int) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self.path.name, flags, _OURS_ALONE, dir_fd=folder)
        except FileExistsError:
            return None
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None

    def _open_existing(self, folder: int) -> int | None:
        """Open the existing file if it is a plain one of our own; None if there is none."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path.name, flags, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            told = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise self._refused(told or str(error)) from None
        wrong = _wrong_with(os.fstat(descriptor))
        if wrong:
            os.close(descriptor)
            raise self._refused(wrong)
        return descriptor

    def _is_in_place(self, folder: int, descriptor: int) -> bool:
        """Whether the descriptor's file is still the one in the folder."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.path.name, dir_fd=folder, follow_symlinks=False), os.fstat(descriptor))
        return False

    def _unlink(self, folder: int, descriptor: int) -> bool:
        if not self._is_in_place(folder, descriptor):
            return False
        os.unlink(self.path.name, dir_fd=folder)
        return True

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _refused(self, why: str) -> Failure:
        return Failure(f"cannot use the pid file {self.path}: {why}", CONFLICT)


def _wrong_with(found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_nlink > 1:
        return "it is hard-linked under another name"
    if found.st_mode & _WRITABLE_BY_OTHERS:
        return "others can write to it"
    return ""


def _lock(descriptor: int, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


def _write(descriptor: int, text: str) -> None:
    os.fchmod(descriptor, _OURS_ALONE)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _read(descriptor: int) -> tuple[ProcessIdentity | None, float | None]:
    """Return the process and its patience; both None if the file does not say."""
    words = os.pread(descriptor, _LONGEST, 0).decode("ascii", "replace").split()
    match words:
        case [pid, "started", started, "patience", patience] if pid.isdecimal():
            with suppress(ValueError):
                return ProcessIdentity(int(pid), started), float(patience)
    return None, None
