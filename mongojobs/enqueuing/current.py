"""The slots of the app that enqueues, the default one unless code runs inside ``app.active()``, and of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mongojobs.core.inside.home import provide_home

if TYPE_CHECKING:
    from mongojobs.enqueuing.enqueuer import Enqueuer

Provider = Callable[[], "Enqueuer"]
Memory = Callable[[object], Any]
"""Returns what keeps the jobs of an app in memory; None if nothing does."""

_active: ContextVar[Provider | None] = ContextVar("mongojobs_active_app", default=None)
_default: list[Provider] = []
_memories: list[Memory] = []


def enqueuer() -> Enqueuer:
    """Return the enqueuer of the app active here, or of the default one; a test's wins over both."""
    is_replaced = len(_default) > 1
    provider = None if is_replaced else _active.get()
    return (provider or _default[-1])()


def provide(provider: Provider) -> None:
    """Fill the slot: *provider* returns the default app's enqueuer at first use."""
    _default[:1] = [provider]
    provide_home(lambda: enqueuer().home)


@contextmanager
def active(provider: Provider) -> Iterator[None]:
    """Enqueue through *provider* in the block; other threads and tasks are not affected."""
    token = _active.set(provider)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def replaced(provider: Provider, memory: Memory) -> Iterator[None]:
    """Make the whole process enqueue through *provider* in the block, and find its jobs in *memory*: for tests."""
    _default.append(provider)
    _memories.append(memory)
    try:
        yield
    finally:
        _default.remove(provider)
        _memories.remove(memory)


def memory_of(app: object) -> Any:
    """Return what keeps the jobs of *app* in memory, in a test in ``fake`` mode; None anywhere else."""
    return _memories[-1](app) if _memories else None
