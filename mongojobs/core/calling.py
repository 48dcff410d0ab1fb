"""Calling the app's functions: what kind they are, and whether a call has run any of their code."""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import Context
from types import FunctionType
from typing import Final, TypeVar

from mongojobs.core.errors import NotRunError

T = TypeVar("T")

_NOTHING: Final = object()


def adopt(context: Context) -> None:
    """Apply here what was set in *context*, a copy of this one: for hooks that follow a coroutine of the same run."""
    for variable, value in context.items():
        if variable.get(_NOTHING) is not value:
            variable.set(value)


def is_async(function: object) -> bool:
    """Return whether calling *function*, which may be a partial or an object, returns a coroutine."""
    return _kind(function) == "async"


def generator_kind(function: object) -> str | None:
    """Return ``a generator`` or ``an async generator`` if calling *function* returns one, else None."""
    kind = _kind(function)
    return None if kind in ("plain", "async") else kind


def label(function: object) -> str:
    """Return what to call *function* in a message."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def ran(what: str, result: T) -> T:
    """Return the *result* of calling *what*. Raises NotRunError, after closing it, if it has yet to be run."""
    if result is None:
        return result
    kind, remedy = _still_to_run(result)
    if not kind:
        return result
    if inspect.iscoroutine(result) and inspect.getcoroutinestate(result) == inspect.CORO_CREATED:
        result.close()  # else Python warns that it was never awaited
    raise NotRunError(f"{what} returned {kind}: {remedy}")


def _still_to_run(result: object) -> tuple[str, str]:
    """Return what *result* is called and what to do instead; two empty texts for a plain value."""
    if _is_generator(result) or (_is_context(result) and _is_generator(getattr(result, "gen", None))):
        return "a generator, which nothing consumes", "do the work in the call itself, and return no generator"
    if inspect.isawaitable(result):
        kind = "a coroutine" if inspect.iscoroutine(result) else f"an awaitable {type(result).__name__}"
        return f"{kind}, which nothing awaits", "make it `async def`, and await there"
    return "", ""


def _is_generator(result: object) -> bool:
    return inspect.isgenerator(result) or inspect.isasyncgen(result)


def _is_context(result: object) -> bool:
    """Whether *result* may come from ``contextlib.contextmanager``, which runs nothing before it is entered."""
    return isinstance(result, AbstractContextManager | AbstractAsyncContextManager)


def _kind(function: object) -> str:
    plain = getattr(function, "__func__", function)  # that of a bound method, so that no object is kept
    return _kind_of(plain) if isinstance(plain, FunctionType) else _kind_of.__wrapped__(plain)


@functools.lru_cache(maxsize=4096)
def _kind_of(function: object) -> str:
    called = function if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004
    for one in (function, called):
        if inspect.iscoroutinefunction(one):
            return "async"
        if inspect.isgeneratorfunction(one):
            return "a generator"
        if inspect.isasyncgenfunction(one):
            return "an async generator"
    return "plain"
