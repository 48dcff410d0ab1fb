"""Async twins: ``await app.afind()`` does what ``app.find()`` does, in a thread, while the event loop turns."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from mongojobs.core.calling import label

P = ParamSpec("P")
R = TypeVar("R")


def twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return the async twin of *function*, a function or method: what it does is written there, and only there.

    It has a copy of the context of who awaits it. Who gives up waiting does not stop it.
    """

    @functools.wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(function, *args, **kwargs)

    name = getattr(function, "__name__", type(function).__name__)
    awaited.__name__ = f"a{name}"
    awaited.__qualname__ = f"{label(function).removesuffix(name)}a{name}"
    awaited.__doc__ = f"Do what ``{name}`` does without blocking the event loop."
    return awaited
