"""Waiting for what another process or thread will do.

Its limits are no figures: they only end a test that would go on forever, on the busiest machine too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONG = 600
"""Seconds until that happens which a test must not have waited for."""
_PATIENCE = 30.0


def eventually(happened: Callable[[], object], *, seconds: float = _PATIENCE) -> None:
    """Return once *happened* holds; raise AssertionError if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"this did not happen within {seconds} s: {happened}")
        time.sleep(0.01)


@contextmanager
def promptly(seconds: float = _PATIENCE) -> Iterator[None]:
    """Let the code inside end without waiting for what comes after a `LONG` time, or much more than *seconds*."""
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    if took > seconds:
        raise AssertionError(f"this took {took:.0f} s")
