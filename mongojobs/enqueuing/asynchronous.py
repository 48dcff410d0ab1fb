"""``handle_asynchronously``: a method that is stored as a job whenever it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NoReturn, ParamSpec, TypeVar, overload

from mongojobs.core.calling import generator_kind, is_async, ran
from mongojobs.core.errors import NotAJobError, OptionError, RegistrationError
from mongojobs.core.job import Job
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.declarations import Declared, check_names, declare
from mongojobs.enqueuing.options import EnqueueOptions, Options, unknown_option
from mongojobs.enqueuing.twins import twin
from mongojobs.payload.calls.handler import method_call
from mongojobs.payload.calls.methods import handed_on_parameters
from mongojobs.payload.registry import Declaration, full_name

P = ParamSpec("P")
R = TypeVar("R")

_ONLY_DECLARED = set(Declared.__annotations__) - set(EnqueueOptions.__annotations__)


@overload
def handle_asynchronously(method: Callable[P, R], /) -> AsynchronousMethod[R]: ...
@overload
def handle_asynchronously(**options: Any) -> Callable[[Callable[P, R]], AsynchronousMethod[R]]: ...
@public
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
        function = getattr(method, "__func__", method)
        if not inspect.isfunction(function):
            raise RegistrationError(f"handle_asynchronously is for methods, got {method!r}")
        functools.update_wrapper(self, function)
        _refuse_names(function, options)
        self._method = method
        self._function = function
        self._options = {name: value for name, value in options.items() if name not in _ONLY_DECLARED}
        _check(self._options)
        check_names("unique", function, Options.of({"unique": self._options.get("unique")}).unique)
        self.declaration: Declaration = declare(
            function, "method", {name: value for name, value in options.items() if name in _ONLY_DECLARED}
        )

    @property
    def enqueue_options(self) -> Mapping[str, object]:
        """The options of each enqueue; functions among them are called at each."""
        return self._options

    def __get__(self, instance: object | None, owner: type) -> BoundAsynchronousMethod[R]:
        if isinstance(instance, type):  # classmethod binds what it wraps like this, up to Python 3.12
            raise self.wrong_order("classmethod")
        return BoundAsynchronousMethod(self, instance, owner)

    def __call__(self, /, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: it is called unbound only below a ``classmethod`` or ``staticmethod``, or outside a class."""
        if "." not in self._function.__qualname__:
            raise RegistrationError(f"{self.declaration.name} is a function, not a method: declare it with @job")
        raise self.wrong_order("classmethod or @staticmethod")

    def __repr__(self) -> str:
        return f"<asynchronous {self.declaration.name}>"

    @property
    def needs_instance(self) -> bool:
        """Whether it is neither a class method nor a static method."""
        return not isinstance(self._method, classmethod | staticmethod)

    def wrong_order(self, wrapper: str) -> RegistrationError:
        """Return the error for a *wrapper* placed above this one, which would hide its options and declaration."""
        return RegistrationError(
            f"@{wrapper} hides @handle_asynchronously of {self.declaration.name}: write @handle_asynchronously first,"
            f" above it"
        )

    def options_for(self, target: object) -> Options:
        """Return the options of an enqueue on *target*, with functions among them evaluated."""
        return Options.of({name: _evaluated(name, value, target) for name, value in self._options.items()})

    def original(self, instance: object | None, owner: type) -> Callable[..., R]:
        """Return the original method, bound as usual."""
        bound: Callable[..., R] = self._method.__get__(instance, owner)
        return bound

    def place_in(self, cls: type) -> tuple[str, str | None]:
        """Return the name under which *cls* has this method, and the base it is in if *cls* itself overrides the name.

        That is what ``super().method(...)`` calls: the job must run this body, and not start again with that of *cls*.
        Raises NotAJobError where *cls* does not have it.
        """
        for base in cls.__mro__:
            for name, attribute in list(vars(base).items()):
                if attribute is self:
                    is_hidden = inspect.getattr_static(cls, name) is not self
                    return name, full_name(base) if is_hidden else None
        raise NotAJobError(f"{cls.__name__} does not have the method {self.declaration.name}, so it cannot be delayed")


class BoundAsynchronousMethod(Generic[R]):
    """The method of one object or class: calling it stores a job."""

    def __init__(self, method: AsynchronousMethod[R], instance: object | None, owner: type) -> None:
        original = method.original(instance, owner)
        functools.update_wrapper(self, original)
        self.__wrapped__ = original
        self._method = method
        self._owner = owner
        self._target = owner if instance is None or not method.needs_instance else instance
        self.declaration: Declaration = method.declaration

    def __call__(self, /, *args: Any, **kwargs: Any) -> Job:
        """Store the call and return the job."""
        return self.delay(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<asynchronous {self._target!r}.{self.declaration.name.rpartition('.')[2]}>"

    def delay(self, /, *args: Any, **kwargs: Any) -> Job:
        """Store the call and return the job, just as calling the method does."""
        if self._target is self._owner and self._method.needs_instance and args and isinstance(args[0], self._owner):
            return self._method.__get__(args[0], type(args[0])).delay(*args[1:], **kwargs)  # Class.method(instance)
        name, owner = self._method.place_in(self._owner)
        call = method_call(self._target, name, args, kwargs, owner=owner)
        return current.enqueuer().enqueue(call, self._method.options_for(self._target))

    adelay: Final = twin(delay)

    @property
    def without_delay(self) -> Callable[..., R]:
        """The method that runs at once."""
        return self.__wrapped__


def refuse_hidden(cls: type) -> None:
    """Raise RegistrationError if a method of *cls* is declared below ``classmethod`` or ``staticmethod``."""
    for attribute in vars(cls).values():
        if isinstance(attribute, classmethod | staticmethod) and isinstance(attribute.__func__, AsynchronousMethod):
            raise attribute.__func__.wrong_order(type(attribute).__name__)


def _check(options: dict[str, Any]) -> None:
    """Refuse options that no call could use. Raises OptionError."""
    for name, value in options.items():
        if name not in EnqueueOptions.__annotations__:
            raise OptionError(unknown_option(name, _ONLY_DECLARED))
        if _is_evaluated(name, value):
            _check_function(name, value)
    Options.of({name: None if _is_evaluated(name, value) else value for name, value in options.items()})


def _check_function(name: str, function: Callable[..., object]) -> None:
    if is_async(function) or generator_kind(function):
        raise OptionError(
            f"{name} must be a value, or a plain function, since nothing awaits it, got {function!r:.200}"
        )
    required = [p for p in handed_on_parameters(function) if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(required) > 1:
        raise OptionError(
            f"{name} must be a value, or a function of no argument or of the instance, got {function!r:.200}"
        )


def _is_evaluated(name: str, value: object) -> bool:
    """Whether the option is a function of the target; that of ``unique`` is one of the arguments, as everywhere."""
    return callable(value) and name != "unique"


def _evaluated(name: str, value: Any, target: object) -> Any:
    if not _is_evaluated(name, value):
        return value
    return ran(f"the function of {name}", value(target) if handed_on_parameters(value) else value())


def _refuse_names(function: Any, options: dict[str, Any]) -> None:
    for name in ("name", "aliases"):
        if name in options:
            raise RegistrationError(
                f"handle_asynchronously takes no {name}: {function.__qualname__} is found by its class and its own name"
            )
