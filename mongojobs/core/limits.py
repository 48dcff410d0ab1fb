"""The limits on what is stored of a job, and cutting a text to one."""

from __future__ import annotations

from typing import Final

LOWEST_PRIORITY: Final = -(2**31)
HIGHEST_PRIORITY: Final = 2**31 - 1
"""Priorities are 32-bit integers; the lower number runs first."""

LONGEST_NAME: Final = 256
"""The longest name of a queue, job or worker, in characters."""

KEPT_ENTRIES: Final = 10
"""How many entries of ``errors`` and ``retries`` each job keeps, as it must not grow without bound."""

LARGEST_COUNT: Final = 2**53
"""A number beyond this was never counted; the server could not increment it much longer."""

LARGEST_PAYLOAD: Final = 6 * 1024 * 1024
LARGEST_RESULT: Final = 4 * 1024 * 1024
LARGEST_STEPS: Final = 2 * 1024 * 1024
"""How large the settings may let these be, in bytes: a job has to fit MongoDB's 16 MB with its errors and cursors, and
with a second payload while it is unique and wanted again."""

LONGEST_ERROR: Final = 8 * 1024
LONGEST_TRACE: Final = 32 * 1024
"""The sizes of texts kept with a job, in bytes: without limits it could grow too large to finish."""

SMALLEST_LOG: Final = 4 * 1024
LARGEST_LOG: Final = 16 * 1024 * 1024
"""How much may be kept of what a job logs in one run, in bytes."""

_CUT: Final = "... (cut)"
_CUT_FRONT: Final = "(cut) ... "
_CUT_MIDDLE: Final = " ... (cut) ... "


def cut(text: str, size: int) -> str:
    """Return *text* cut to *size* bytes of UTF-8; what UTF-8 cannot encode is replaced."""
    if len(text) > size:
        text = text[:size] + _CUT
    written = text.encode("utf-8", "replace")
    if len(written) <= size:
        return written.decode()
    return written[: size - len(_CUT)].decode("utf-8", "ignore") + _CUT


def cut_front(text: str, size: int) -> str:
    """Return the last *size* bytes of *text*, with a mark if that is not all: a traceback's end says most."""
    written = text.encode("utf-8", "replace")
    if len(written) <= size:
        return written.decode()
    return _CUT_FRONT + written[-(size - len(_CUT_FRONT)) :].decode("utf-8", "ignore")


def cut_middle(text: str, size: int) -> str:
    """Return the beginning and the end of *text*, *size* bytes in all, with a mark if that is not all."""
    if len(text) > size:
        text = text[:size] + text[-size:]
    written = text.encode("utf-8", "replace")
    if len(written) <= size:
        return written.decode()
    half = (size - len(_CUT_MIDDLE)) // 2
    return written[:half].decode("utf-8", "ignore") + _CUT_MIDDLE + written[-half:].decode("utf-8", "ignore")
