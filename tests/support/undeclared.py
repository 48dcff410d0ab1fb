"""A process that does not know some jobs, as one that runs older code, or imports too little."""

from collections.abc import Iterator
from contextlib import contextmanager

from mongojobs.payload.registry import registry


@contextmanager
def undeclared(*names: str) -> Iterator[None]:
    """Let this process not know the jobs called *names* inside."""
    known = {name: registry._jobs.pop(name) for name in names}
    try:
        yield
    finally:
        registry._jobs.update(known)
