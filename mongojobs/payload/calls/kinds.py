"""What can be a job: a function, a method of a document or class, and an object with ``perform``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from mongojobs.core.calling import ran
from mongojobs.core.errors import NotAJobError
from mongojobs.payload.calls.methods import declaration_of, is_async_method, method_of, original
from mongojobs.payload.registry import Declaration


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function declared with ``@job``."""

    declaration: Declaration
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    job_object: ClassVar[None] = None

    @property
    def name(self) -> str:
        """The declared name, such as ``app.tasks.send_receipt``."""
        return self.declaration.name

    @property
    def is_async(self) -> bool:
        """Whether ``perform`` returns a coroutine."""
        return self.declaration.is_async

    @property
    def function(self) -> Callable[..., object]:
        """The function that is called."""
        return self.declaration.target

    def perform(self) -> object:
        """Call the function; if it is ``async def``, return the coroutine."""
        return self.declaration.target(*self.args, **self.kwargs)


@dataclass(frozen=True)
class MethodCall:
    """A call of a method on an object, usually a document.

    *owner* is the full name of the base whose body is meant, where the class of the target has another one.
    """

    target: object
    method: str
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    owner: str | None = None
    job_object: ClassVar[None] = None

    @property
    def name(self) -> str:
        """``Group#update_users``. Source: delayed_job."""
        return f"{short_name(type(self.target), self.owner)}#{self.method}"

    @property
    def declaration(self) -> Declaration | None:
        """What ``handle_asynchronously`` declared for the method."""
        return declaration_of(self._found)

    @property
    def is_async(self) -> bool:
        """Whether ``perform`` returns a coroutine."""
        return is_async_method(self._found)

    @property
    def function(self) -> Callable[..., object]:
        """The bound method; if calling it would enqueue, the original that runs."""
        return original(self._found.__get__(self.target, type(self.target)))

    def perform(self) -> object:
        """Call the method; if it is ``async def``, return the coroutine."""
        return self.function(*self.args, **self.kwargs)

    @cached_property
    def _found(self) -> Any:  # asked for many times on the way of one call; not in a slot
        return method_of(type(self.target), self.method, self.owner)


@dataclass(frozen=True)
class ClassMethodCall:
    """A call of a class method or static method on a class; *owner* as in ``MethodCall``."""

    target: type
    method: str
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    owner: str | None = None
    job_object: ClassVar[None] = None

    @property
    def name(self) -> str:
        """``Group.rebuild``. Source: delayed_job."""
        return f"{short_name(self.target, self.owner)}.{self.method}"

    @property
    def declaration(self) -> Declaration | None:
        """What ``handle_asynchronously`` declared for the method."""
        return declaration_of(self._found)

    @property
    def is_async(self) -> bool:
        """Whether ``perform`` returns a coroutine."""
        return is_async_method(self._found)

    @property
    def function(self) -> Callable[..., object]:
        """The bound method; if calling it would enqueue, the original that runs."""
        return original(self._found.__get__(None, self.target))

    def perform(self) -> object:
        """Call the method; if it is ``async def``, return the coroutine."""
        return self.function(*self.args, **self.kwargs)

    @cached_property
    def _found(self) -> Any:
        return method_of(self.target, self.method, self.owner)


@dataclass(frozen=True, slots=True)
class ObjectCall:
    """A job object: an instance of a class declared with ``@job``.

    Hooks and overrides are looked up on ``job_object``, which only this kind has: a document may happen to have a
    method of such a name.
    """

    declaration: Declaration
    target: Any

    @property
    def name(self) -> str:
        """Its ``display_name``, or the name of its class. Source: delayed_job. Raises NotAJobError for a bad one."""
        name = getattr(self.target, "display_name", type(self.target).__name__)
        name = ran("display_name", name()) if callable(name) else name
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise NotAJobError(f"display_name of {type(self.target).__name__} must give a text, got {name!r:.100}")
        return name

    @property
    def is_async(self) -> bool:
        """Whether ``perform`` returns a coroutine."""
        return self.declaration.is_async

    @property
    def function(self) -> Callable[..., object]:
        """The function that is called."""
        perform: Callable[..., object] = self.target.perform
        return perform

    @property
    def job_object(self) -> object:
        """The object whose hooks and overrides apply."""
        return self.target

    def perform(self) -> object:
        """Call the object's ``perform``; if it is ``async def``, return the coroutine."""
        return self.target.perform()


def short_name(cls: type, owner: str | None) -> str:
    """Return the short name of the class that the method's body is in: that of *owner*, if there is one."""
    return cls.__name__ if owner is None else owner.rpartition(".")[2]


Call = FunctionCall | MethodCall | ClassMethodCall | ObjectCall
