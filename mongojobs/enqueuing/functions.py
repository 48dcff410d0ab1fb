"""The decorator ``job``: it turns a function or class into something that can be enqueued."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, ParamSpec, TypeVar, Unpack, overload

from mongojobs.core.errors import OptionError, RegistrationError
from mongojobs.core.job import Job
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.declarations import Declared, Names, declare, names
from mongojobs.enqueuing.options import NO_OPTIONS, EnqueueOptions, Options
from mongojobs.enqueuing.twins import twin
from mongojobs.payload.calls.handler import function_call, object_call
from mongojobs.payload.registry import Declaration, registry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Delayer(Generic[P]):
    """A job function, with options for its next enqueues."""

    def __init__(self, declaration: Declaration, options: Options) -> None:
        self._declaration = declaration
        self._options = options

    def delay(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Store the call and return the job. Raises EnqueueError, EnqueueUnknownError or StoreUnavailableError."""
        return current.enqueuer().enqueue(function_call(self._declaration, args, kwargs), self._options)

    def delay_many(self, calls: Iterable[tuple[Any, ...]]) -> list[Job]:
        """Store one job for each tuple of arguments, in one round trip, and return the jobs.

        Raises EnqueueError (nothing stored) or PartialEnqueueError (some stored).
        """
        return current.enqueuer().enqueue_many(self._declaration, [_arguments(call) for call in calls], self._options)

    adelay: Final = twin(delay)
    adelay_many: Final = twin(delay_many)

    def options(self, **options: Unpack[EnqueueOptions]) -> Delayer[P]:
        """Return the same with more options."""
        return Delayer(self._declaration, self._options.with_changes(options))

    def __repr__(self) -> str:
        return f"<job {', '.join([self._declaration.name, *self._options.shown()])}>"


class JobFunction(Delayer[P], Generic[P, R]):
    """A function that is a job: calling it runs it now, ``delay`` stores the call."""

    def __init__(self, function: Callable[P, R], declaration: Declaration) -> None:
        functools.update_wrapper(self, function)  # first, as it takes over the attributes of the function, too
        super().__init__(declaration, NO_OPTIONS)
        self._function = function

    @property
    def declaration(self) -> Declaration:
        """What the decorator declared."""
        return self._declaration

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now."""
        return self._function(*args, **kwargs)

    def __reduce__(self) -> str:
        """Let ``pickle`` find it by name, as it does functions."""
        return self._function.__qualname__

    def __set_name__(self, owner: type, name: str) -> None:
        raise RegistrationError(
            f"@job is for functions, but {owner.__name__}.{name} is a method: use"
            f" {owner.__name__.lower()}.delay.{name}(...), or @handle_asynchronously"
        )


@overload
def job(target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]  # a class is callable, too
@overload
def job(target: Callable[P, R], /) -> JobFunction[P, R]: ...
@overload
def job(**declared: Unpack[Declared]) -> _Decorator: ...
@public
def job(target: Any = None, /, **declared: Any) -> Any:
    """Declare a function, an ``async def`` function or a class with ``perform`` as a job.

    Use it bare or with what ``Declared`` lists. Raises RegistrationError where no worker could find the job by its
    name.
    """
    decorator = _Decorator(declared)
    return decorator if target is None else decorator(target)


@public
def enqueue(job_object: object, **options: Unpack[EnqueueOptions]) -> Job:
    """Store *job_object*, an instance of a class declared with ``@job``, and return the job. Raises NotAJobError."""
    return current.enqueuer().enqueue(object_call(job_object), Options.of(options))


aenqueue: Final = public(twin(enqueue))


@overload
def register(cls: type[T], /, *, aliases: Names = ()) -> type[T]: ...
@overload
def register(*, aliases: Names) -> Callable[[type[T]], type[T]]: ...
@public
def register(cls: Any = None, /, *, aliases: Names = ()) -> Any:
    """Allow instances of *cls*, an enum, dataclass or plain class, as arguments of jobs; works as a decorator.

    Classes in the type hints of jobs need none of it. *aliases* are names, with their modules, that a class of any kind
    had before, a document class too: jobs that were stored then find it by them. Raises RegistrationError, OptionError.
    """
    if cls is None:
        return functools.partial(register, aliases=aliases)
    if not inspect.isclass(cls):
        raise RegistrationError(f"register is for classes, got {cls!r:.200}: declare a function with @job")
    old_names = names("aliases", aliases, of="classes")
    registry.add_class(cls)
    registry.rename_class(cls, old_names)
    return cls


class _Decorator:
    """``job`` with its declarations, waiting for what it will decorate."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self._declared = declared

    @overload
    def __call__(self, target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]  # as above
    @overload
    def __call__(self, target: Callable[P, R], /) -> JobFunction[P, R]: ...
    def __call__(self, target: Any, /) -> Any:
        if inspect.isclass(target):
            registry.add(declare(target, "object", self._declared))
            return target
        if not inspect.isroutine(target) or isinstance(target, staticmethod | classmethod):
            raise RegistrationError(
                f"@job is for functions and classes, got {target!r:.200}: write a function that calls it"
            )
        declaration = declare(target, "function", self._declared)
        registry.add(declaration)
        return JobFunction(target, declaration)


def _arguments(call: object) -> tuple[Any, ...]:
    if not isinstance(call, tuple):
        raise OptionError(f"delay_many takes one tuple of arguments for each job, got {call!r:.100}: write (value,)")
    return call
