"""The slot of the app that enqueues: the default one, unless code runs inside ``app.active()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from mongojobs.core.inside.home import provide_home

if TYPE_CHECKING:
    from mongojobs.enqueuing.enqueuer import Enqueuer

Provider = Callable[[], "Enqueuer"]

_active: ContextVar[Provider | None] = ContextVar("mongojobs_active_app", default=None)
_default: list[Provider] = []


def enqueuer() -> Enqueuer:
    """Return the enqueuer of the app active here, or of the default one; a test's wins over both."""
    is_replaced = len(_default) > 1
    provider = None if is_replaced else _active.get()
    return (provider or _default[-1])()


def provide(provider: Provider) -> None:
    """Fill the slot: *provider* returns the default app's enqueuer at first use."""
    _default[:] = [provider]
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
def replaced(provider: Provider) -> Iterator[None]:
    """Make the whole process enqueue through *provider* in the block: for tests."""
    _default.append(provider)
    try:
        yield
    finally:
        _default.remove(provider)
