"""The decorator ``job``: a function or a class becomes something that can be enqueued."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack, overload

from mongojobs.core.durations import parse_duration
from mongojobs.core.errors import NotAJobError, OptionError, RegistrationError
from mongojobs.core.job import Job
from mongojobs.core.retry import Backoff
from mongojobs.enqueuing import current
from mongojobs.enqueuing.options import NO_OPTIONS, EnqueueOptions, Options
from mongojobs.payload.calls import function_call, object_call
from mongojobs.payload.registry import Declaration, Kind, full_name, job_name, registry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Errors = type[BaseException] | tuple[type[BaseException], ...]


class Declared(TypedDict, total=False):
    """What a declaration may say. The options of an enqueue win over it.

    *name* is stored in place of the dotted path, *aliases* are old names that are still understood. *retry_on*: only
    these errors are tried again, any other fails the job at once. *discard_on*: these errors cancel the job.
    *on_missing*: what to do when a document it refers to is gone. *backoff*: delay before a retry.
    *sensitive*: names of arguments whose values are masked in errors, in the database and in the log.
    """

    name: str
    aliases: tuple[str, ...]
    queue: str
    priority: int
    max_attempts: int
    max_run_time: timedelta | float
    retry_on: Errors
    discard_on: Errors
    on_missing: Literal["fail", "discard", "retry"]
    backoff: Backoff
    destroy_failed_jobs: bool
    sensitive: tuple[str, ...]


class Delayer(Generic[P]):
    """A job function together with options for its next enqueues."""

    def __init__(self, declaration: Declaration, options: Options) -> None:
        self._declaration = declaration
        self._options = options

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Store the call and return the job. Raises EnqueueError, EnqueueUnknownError or StoreUnavailableError."""
        return current.enqueuer().enqueue(function_call(self._declaration, args, kwargs), self._options)

    def delay_many(self, calls: Iterable[tuple[Any, ...]]) -> list[Job]:
        """Store one job for each tuple of arguments, in one round trip, and return the jobs.

        Raises EnqueueError (nothing stored) or PartialEnqueueError (some stored).
        """
        made = (function_call(self._declaration, _arguments(call), {}) for call in calls)
        return current.enqueuer().enqueue_many(made, self._options)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Do what ``delay`` does, without holding up the event loop."""
        return await asyncio.to_thread(self.delay, *args, **kwargs)

    def options(self, **options: Unpack[EnqueueOptions]) -> Delayer[P]:
        """Return the same with further options."""
        return Delayer(self._declaration, self._options.with_changes(options))


class JobFunction(Delayer[P], Generic[P, R]):
    """A function that is a job: calling it runs it now, ``delay`` stores the call."""

    def __init__(self, function: Callable[P, R], declaration: Declaration) -> None:
        super().__init__(declaration, NO_OPTIONS)
        self._function = function
        functools.update_wrapper(self, function)

    @property
    def declaration(self) -> Declaration:
        """What the decorator declared."""
        return self._declaration

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now."""
        return self._function(*args, **kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        raise RegistrationError(
            f"@job is for functions, and {owner.__name__}.{name} is a method: use"
            f" {owner.__name__.lower()}.delay.{name}(...), or @handle_asynchronously"
        )

    def __repr__(self) -> str:
        return f"<job {self._declaration.name}>"


@overload
def job(target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]  # a class is callable, too
@overload
def job(target: Callable[P, R], /) -> JobFunction[P, R]: ...
@overload
def job(**declared: Unpack[Declared]) -> _Decorator: ...
def job(target: Any = None, /, **declared: Any) -> Any:
    """Declare a function, an ``async def`` function or a class with ``perform`` as a job.

    Use it bare or with what ``Declared`` lists. Raises RegistrationError where no worker could find the job by its
    name.
    """
    decorator = _Decorator(declared)
    return decorator if target is None else decorator(target)


def enqueue(job_object: object, **options: Unpack[EnqueueOptions]) -> Job:
    """Store *job_object*, an instance of a class declared with ``@job``, and return the job.

    Raises NotAJobError when it is none.
    """
    return current.enqueuer().enqueue(object_call(job_object), Options.of(options))


def register(cls: type[T], /) -> type[T]:
    """Let instances of *cls*, an enum, dataclass or plain class, be arguments of jobs; works as a decorator.

    Classes in the type hints of jobs need none of it. Raises RegistrationError.
    """
    registry.add_class(cls)
    return cls


class _Decorator:
    """``job`` with its declarations, waiting for what it decorates."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self._declared = declared

    @overload
    def __call__(self, target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]  # as above
    @overload
    def __call__(self, target: Callable[P, R], /) -> JobFunction[P, R]: ...
    def __call__(self, target: Any, /) -> Any:
        if inspect.isclass(target):
            if not callable(getattr(target, "perform", None)):
                raise NotAJobError(f"{target.__qualname__} cannot be a job: it has no method perform()")
            registry.add(declare(target, "object", self._declared))
            return target
        if not inspect.isroutine(target) or isinstance(target, staticmethod | classmethod):
            raise RegistrationError(f"@job is for functions and classes, got {target!r}")
        declaration = declare(target, "function", self._declared)
        registry.add(declaration)
        return JobFunction(target, declaration)


def declare(target: Any, kind: Kind, declared: dict[str, Any]) -> Declaration:
    """Return the declaration of *target*, checked. Raises OptionError and RegistrationError."""
    values = _checked(declared)
    _check_sensitive(target, values.get("sensitive", ()))
    name = full_name(target) if kind == "method" else job_name(target, values.pop("name", None))
    return Declaration(target=target, kind=kind, name=name, **values)


def _checked(declared: dict[str, Any]) -> dict[str, Any]:
    """Return what was *declared* in the types of ``Declaration``. Raises OptionError."""
    unknown = sorted(set(declared) - set(Declared.__annotations__))
    if unknown:
        raise OptionError(f"unknown declaration {unknown[0]!r}: @job takes {', '.join(Declared.__annotations__)}")
    values = dict(declared)
    Options.of({name: values[name] for name in ("queue", "priority", "max_attempts", "max_run_time") if name in values})
    if "max_run_time" in values:
        values["max_run_time"] = parse_duration(values["max_run_time"])
    if values.get("on_missing", "fail") not in ("fail", "discard", "retry"):
        raise OptionError(f"on_missing must be fail, discard or retry, got {values['on_missing']!r}")
    if "sensitive" in values:
        values["sensitive"] = _names("sensitive", values["sensitive"])
    for name in ("retry_on", "discard_on"):
        if name in values:
            values[name] = _error_classes(name, values[name])
    return values


def _names(option: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{option} must be a tuple of names of arguments, got {given!r}")
    return tuple(names)


def _check_sensitive(target: Any, names: tuple[str, ...]) -> None:
    """Refuse a name that no argument has: a slip of the pen would lay the secret open. Raises OptionError."""
    if inspect.isclass(target) and not dataclasses.is_dataclass(target):
        return
    parameters = inspect.signature(target).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [p.name for p in parameters]
    for name in names:
        if name not in known:
            raise OptionError(f"sensitive names {name!r}, and the arguments of {target.__qualname__} are {known}")


def _error_classes(name: str, given: Any) -> tuple[type[BaseException], ...]:
    classes = given if isinstance(given, tuple) else (given,)
    for one in classes:
        if not (inspect.isclass(one) and issubclass(one, BaseException)):
            raise OptionError(f"{name} must be an exception class or a tuple of them, got {one!r}")
    return classes


def _arguments(call: object) -> tuple[Any, ...]:
    if not isinstance(call, tuple):
        raise OptionError(f"delay_many takes one tuple of arguments for each job, got {call!r:.100}: write (value,)")
    return call
