"""Waiting for what another process or thread will do."""

import time
from collections.abc import Callable


def eventually(happened: Callable[[], object], *, seconds: float = 30) -> None:
    """Return once *happened* holds; raise AssertionError if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"this did not happen within {seconds} s: {happened}")
        time.sleep(0.01)
