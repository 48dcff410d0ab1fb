"""Counting the calls of Python functions: what a machine's noise does not change."""

import sys
from collections import Counter
from collections.abc import Callable
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
