"""Copies of this process forked by a job: each ends where the job's code does, and never goes on as a worker."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import ClassVar, NoReturn, Self


class Descent:
    """How many forks lie between this process and the one that imported us; cheaper to ask than the process id.

    A run, which every job passes, asks it as ``CopiesEndHere`` does, without the calls of a ``with``.
    """

    generation: ClassVar[int] = 0
    process: ClassVar[int] = os.getpid()
    """This process, unless it was forked behind Python's back, by code in C."""

    @classmethod
    def note_fork(cls) -> None:
        """Note that this is a forked copy."""
        cls.generation += 1
        cls.process = os.getpid()


os.register_at_fork(after_in_child=Descent.note_fork)


class CopiesEndHere:
    """Ends a copy of the process forked inside the ``with`` block when the block ends, as a script would.

    Its status is 0, or what ``SystemExit`` says, or 1 after any other exception. It has no part in what the process
    does when that ends: it flushes what it has printed, and is gone.
    """

    __slots__ = ("_own",)

    def __enter__(self) -> Self:
        self._own = Descent.generation
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if Descent.generation != self._own:
            end_copy(error)


def end_copy(error: BaseException | None) -> NoReturn:
    """End this copy as a script that comes to its end, or raises *error*."""
    status = 1
    try:
        status, text = _ending(error)
        if text:
            os.write(
                2, text.encode("utf-8", "backslashreplace")
            )  # sys.stderr may be locked by a thread that is not here
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _ending(error: BaseException | None) -> tuple[int, str]:
    """Return the exit status, and what to print."""
    match error:
        case None | SystemExit(code=None):
            return 0, ""
        case SystemExit(code=int(code)):
            return code & 0xFF, ""
        case SystemExit(code=code):
            return 1, f"{code}\n"
        case _:
            return 1, "".join(traceback.format_exception(error))
