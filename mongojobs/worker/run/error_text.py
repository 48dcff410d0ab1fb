"""An exception as text: what people read, and where it happened; whatever the exception is."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from mongojobs.core.errors import MongoJobsError
from mongojobs.core.job import ErrorText
from mongojobs.core.limits import LONGEST_ERROR, LONGEST_TRACE, cut, cut_front


def error_text(error: BaseException, clean: Callable[[str], str] = str) -> ErrorText:
    """Return *error* as ``Type: message`` and traceback, cut to 8 KiB and 32 KiB.

    *clean* takes out secrets; before the cut, which might leave half of one.
    """
    return ErrorText(
        error=cut(writable(clean(summary(error))), LONGEST_ERROR),
        trace=cut_front(writable(clean(_trace(error))), LONGEST_TRACE),
    )


def summary(error: BaseException) -> str:
    """Return ``Type: message``, even for an exception that cannot say what it is."""
    name = type(error).__name__
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - __str__ of a stranger's exception
        message = "(its message cannot be read)"
    return f"{name}: {message}" if message else name


def writable(text: str) -> str:
    """Return *text* with what UTF-8 cannot encode, half a surrogate pair, escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _trace(error: BaseException) -> str:
    """Return the traceback; for an error of ours outside any code of the job, only its last line, which says it all."""
    frames = _below_us(error.__traceback__)
    try:
        if frames is None and isinstance(error, MongoJobsError):
            lines = traceback.format_exception_only(error)
        else:
            lines = traceback.format_exception(type(error), error, frames or error.__traceback__, limit=-50)
        return "".join(lines).rstrip()
    except Exception as unreadable:  # noqa: BLE001 - a stranger's exception
        return f"(the traceback cannot be written: {type(unreadable).__name__})"


def _below_us(frames: TracebackType | None) -> TracebackType | None:
    """Return *frames* without the leading ones of this library: the job's code, if any, comes after them."""
    rest = frames
    while rest is not None and rest.tb_frame.f_globals.get("__name__", "").startswith("mongojobs."):
        rest = rest.tb_next
    return rest
