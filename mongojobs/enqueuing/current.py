"""The slot of the app that enqueues: the default one, unless the code runs inside ``app.active()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mongojobs.enqueuing.enqueuer import Enqueuer

Provider = Callable[[], "Enqueuer"]

_active: ContextVar[Provider | None] = ContextVar("mongojobs_active_app", default=None)
_default: list[Provider] = []


def enqueuer() -> Enqueuer:
    """Return the enqueuer of the app that is active here, or of the default one; a test's wins over both."""
    is_replaced = len(_default) > 1
    provider = None if is_replaced else _active.get()
    return (provider or _default[-1])()


def provide(provider: Provider) -> None:
    """Fill the slot: *provider* gives the default app's enqueuer, at first use."""
    _default[:] = [provider]


@contextmanager
def active(provider: Provider) -> Iterator[None]:
    """Let the code inside enqueue through *provider*; other threads and tasks are not concerned."""
    token = _active.set(provider)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def replaced(provider: Provider) -> Iterator[None]:
    """Let the whole process enqueue through *provider* meanwhile: for tests."""
    _default.append(provider)
    try:
        yield
    finally:
        _default.remove(provider)
