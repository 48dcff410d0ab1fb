"""``handle_asynchronously``: a method that is stored whenever it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, overload

from mongojobs.core.errors import RegistrationError
from mongojobs.core.job import Job
from mongojobs.enqueuing import current
from mongojobs.enqueuing.functions import Declared, declare
from mongojobs.enqueuing.options import EnqueueOptions, Options
from mongojobs.payload.calls import method_call
from mongojobs.payload.registry import Declaration

P = ParamSpec("P")
R = TypeVar("R")

_ONLY_DECLARED = set(Declared.__annotations__) - set(EnqueueOptions.__annotations__)


@overload
def handle_asynchronously(method: Callable[P, R], /) -> AsynchronousMethod[R]: ...
@overload
def handle_asynchronously(**options: Any) -> Callable[[Callable[P, R]], AsynchronousMethod[R]]: ...
def handle_asynchronously(method: Any = None, /, **options: Any) -> Any:
    """Store the method as a job whenever it is called; ``.without_delay(...)`` runs it.

    Takes the options of an enqueue and those of a declaration but for the name. An option of an enqueue may be a
    function, which is called at each enqueue: with the instance if it takes a parameter. Source: delayed_job.
    """
    if method is None:
        return functools.partial(AsynchronousMethod, options=options)
    return AsynchronousMethod(method, options=options)


class AsynchronousMethod(Generic[R]):
    """The class attribute that ``handle_asynchronously`` leaves in place of the method."""

    def __init__(self, method: Any, *, options: dict[str, Any]) -> None:
        self._method = method
        function = getattr(method, "__func__", method)
        if not inspect.isfunction(function):
            raise RegistrationError(f"handle_asynchronously is for methods, got {method!r}")
        _refuse_names(function, options)
        self._options = {name: value for name, value in options.items() if name not in _ONLY_DECLARED}
        Options.of({name: None if callable(value) else value for name, value in self._options.items()})
        self.declaration: Declaration = declare(
            function, "method", {name: value for name, value in options.items() if name in _ONLY_DECLARED}
        )
        functools.update_wrapper(self, function)

    def __get__(self, instance: object | None, owner: type) -> BoundAsynchronousMethod[R]:
        if isinstance(instance, type):  # classmethod binds what it wraps like this, up to Python 3.12
            raise self.wrong_order("classmethod")
        target = owner if instance is None or isinstance(self._method, classmethod | staticmethod) else instance
        return BoundAsynchronousMethod(self, target, instance, owner)

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: only a class method or static method around this calls it instead of binding it."""
        raise self.wrong_order("classmethod or @staticmethod")

    def wrong_order(self, wrapper: str) -> RegistrationError:
        """Return what to raise where *wrapper* stands above this one: it shows neither options nor declaration."""
        return RegistrationError(
            f"@{wrapper} hides @handle_asynchronously of {self.declaration.name}: write @handle_asynchronously first,"
            f" above it"
        )

    def options_for(self, target: object) -> Options:
        """Return the options of an enqueue on *target*, with those evaluated that are functions."""
        return Options.of({name: _evaluated(value, target) for name, value in self._options.items()})

    def original(self, instance: object | None, owner: type) -> Callable[..., R]:
        """Return the method itself, bound as it would be without us."""
        bound: Callable[..., R] = self._method.__get__(instance, owner)
        return bound


class BoundAsynchronousMethod(Generic[R]):
    """The method of one object or class: calling it stores a job."""

    __slots__ = ("_instance", "_method", "_owner", "_target", "declaration")

    def __init__(self, method: AsynchronousMethod[R], target: object, instance: object | None, owner: type) -> None:
        self._method = method
        self._target = target
        self._instance = instance
        self._owner = owner
        self.declaration = method.declaration

    @property
    def __name__(self) -> str:
        """The method's name."""
        return str(self._method.__name__)  # type: ignore[attr-defined]  # set by update_wrapper

    @property
    def __wrapped__(self) -> Callable[..., R]:
        """The method itself, for ``inspect.signature``."""
        return self.without_delay

    def __call__(self, *args: Any, **kwargs: Any) -> Job:
        """Store the call and return the job."""
        return self.delay(*args, **kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> Job:
        """Store the call and return the job, as calling the method does."""
        call = method_call(self._target, self.__name__, args, kwargs)
        return current.enqueuer().enqueue(call, self._method.options_for(self._target))

    @property
    def without_delay(self) -> Callable[..., R]:
        """The method that runs at once."""
        return self._method.original(self._instance, self._owner)


def refuse_hidden(cls: type) -> None:
    """Raise RegistrationError if a method of *cls* is declared below ``classmethod`` or ``staticmethod``."""
    for attribute in vars(cls).values():
        if isinstance(attribute, classmethod | staticmethod) and isinstance(attribute.__func__, AsynchronousMethod):
            raise attribute.__func__.wrong_order(type(attribute).__name__)


def _evaluated(value: Any, target: object) -> Any:
    if not callable(value):
        return value
    return value(target) if inspect.signature(value).parameters else value()


def _refuse_names(function: Any, options: dict[str, Any]) -> None:
    for name in ("name", "aliases"):
        if name in options:
            raise RegistrationError(
                f"handle_asynchronously takes no {name}: {function.__qualname__} is found by its class and its own name"
            )
