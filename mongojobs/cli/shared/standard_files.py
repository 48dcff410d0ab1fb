"""The three files that every process begins with, so that whatever they are, no command hangs or ends oddly."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Final, TextIO

from mongojobs.plugins.output import Output, buffered

ESCAPED: Final = "mongojobs.escaped"
"""How characters are written that the encoding of an output does not have: as JSON does, so that JSON stays JSON."""


def open_standard_files() -> None:
    """Open those of the descriptors 0 to 2 that our parent has closed, on nothing, and let none fail oddly.

    What is opened next, such as a connection to the database, would else be taken for one of them, and be written to.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
    codecs.register_error(ESCAPED, _escape)
    sys.stdout = _opened(1, sys.stdout, is_strict=True)
    sys.stderr = _opened(2, sys.stderr, is_strict=False)


def never_fail() -> None:
    """From now on discard writes to standard output that would fail: for a process that runs jobs."""
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    if isinstance(raw, Output):
        raw.is_strict = False


def _opened(descriptor: int, before: TextIO | None, *, is_strict: bool) -> io.TextIOWrapper:
    raw = Output(descriptor, is_strict=is_strict)
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(buffered(raw), encoding="utf-8", errors=ESCAPED)
    return io.TextIOWrapper(
        raw if before.write_through else buffered(raw),
        encoding=before.encoding,
        errors=ESCAPED if before.errors in ("strict", "backslashreplace") else before.errors,
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end
