"""``delay`` and ``adelay`` for methods: the next method called on their result is stored instead of run."""

from __future__ import annotations

import functools
import inspect
from contextlib import suppress
from typing import Any, Self, Unpack

from mongojobs.core.errors import NotAJobError
from mongojobs.core.job import Job
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.functions import Delayer
from mongojobs.enqueuing.options import NO_OPTIONS, EnqueueOptions, Options
from mongojobs.enqueuing.twins import twin
from mongojobs.payload.calls.handler import method_call
from mongojobs.payload.calls.methods import bound_method


@public
def delay(target: object, **options: Unpack[EnqueueOptions]) -> DelayProxy:
    """Return a proxy of *target*, a saved document or a class: a method called on it is stored as a job.

    For classes without ``Delayable`` and for those with a field called ``delay``. Raises OptionError, and NotAJobError
    for a function.
    """
    return DelayProxy(_target("delay", target), Options.of(options))


@public
def adelay(target: object, **options: Unpack[EnqueueOptions]) -> AwaitedProxy:
    """Do what ``delay`` does where the call is awaited: ``await mongojobs.adelay(group).rebuild()``."""
    return AwaitedProxy(_target("adelay", target), Options.of(options))


def _target(word: str, target: object) -> object:
    if isinstance(target, Delayer) or inspect.isroutine(target):
        raise NotAJobError(
            f"{word}(...) is for objects and classes, got {target!r}: write function.{word}(...), with @job"
        )
    return target


class DelayProxy:
    """Records a method call on its target and stores it; ``proxy(queue=...)`` adds options.

    What a method takes is checked when it is called, not by the type checker. Names that begin with an underscore are
    left to Python, so that ``copy``, ``pickle`` and debuggers enqueue nothing.
    """

    __slots__ = ("_options", "_target")

    def __init__(self, target: object, options: Options = NO_OPTIONS) -> None:
        self._target = target
        self._options = options

    def __call__(self, **options: Unpack[EnqueueOptions]) -> Self:
        """Return the same proxy with more options."""
        return type(self)(self._target, self._options.with_changes(options))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}, and names that begin with an underscore cannot"
                " be delayed"
            )
        return DelayedMethod(self._target, name, self._options)

    def __repr__(self) -> str:
        return f"<delay {self._target!r}>"


class DelayedMethod:
    """A method whose call is stored."""

    def __init__(self, target: object, name: str, options: Options) -> None:
        with suppress(NotAJobError):  # which the call tells
            functools.update_wrapper(self, bound_method(target, name))
        self._target = target
        self._name = name
        self._options = options

    def __call__(self, /, *args: Any, **kwargs: Any) -> Job:
        """Store the call and return the job."""
        call = method_call(self._target, self._name, args, kwargs)
        return current.enqueuer().enqueue(call, self._options)

    def __repr__(self) -> str:
        return f"<delay {self._target!r}.{self._name}>"


class AwaitedProxy(DelayProxy):
    """The async twin of a ``DelayProxy``: what is called on it is to be awaited."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return twin(super().__getattr__(name))

    def __repr__(self) -> str:
        return f"<a{super().__repr__()[1:]}"


class DelayAttribute:
    """The attribute ``delay`` or ``adelay`` of a class and its instances, which gives a *proxy*."""

    def __init__(self, proxy: type[DelayProxy]) -> None:
        self._proxy = proxy

    def __get__(self, instance: object | None, owner: type) -> Any:
        return self._proxy(owner if instance is None else instance)
