"""A context of its own for each run of a job: what it sets in ``ContextVar``s reaches no other run."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Final, TypeVar

T = TypeVar("T")

_NOTHING: Final = object()


def isolated(body: Callable[[], T]) -> T:
    """Run *body* in a copy of this context, with a ``decimal`` context as it is at the start of a program."""
    return copy_context().run(_with_own_decimals, body)


def adopt(context: Context) -> None:
    """Set here what was set in *context*, a copy of this one: for hooks that follow a coroutine of the same run."""
    for variable, value in context.items():
        if variable.get(_NOTHING) is not value:
            variable.set(value)


def _with_own_decimals(body: Callable[[], T]) -> T:
    decimal.setcontext(decimal.DefaultContext)  # a copy of it: one that is there already would be shared, not copied
    return body()
