"""Counting the calls of Python functions: what a machine's noise does not change."""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import FrameType

import mongojobs

HOUSE = str(Path(mongojobs.__file__).parent)


def own_calls(action: Callable[[], object]) -> Counter[str]:
    """Return the functions of ours that *action* calls in this thread, and how often each."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HOUSE):
            calls[frame.f_code.co_qualname] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls


def modules_called(action: Callable[[], object]) -> list[str]:
    """Return the module of each function of ours that *action* calls, in this thread, then in those it starts."""
    called: dict[int, list[str]] = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HOUSE):
            called.setdefault(threading.get_ident(), []).append(frame.f_code.co_filename)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return list(chain.from_iterable(called.values()))
