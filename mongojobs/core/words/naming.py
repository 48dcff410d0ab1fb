"""The names by which people know public things: where they are imported from, not where they are defined."""

from __future__ import annotations

from typing import Any, Final, TypeVar

T = TypeVar("T", bound=Any)

PACKAGE: Final = "mongojobs"


def public(thing: T) -> T:
    """Make tracebacks, ``repr`` and ``help`` call *thing*, a function or class, by its public name: a decorator.

    Not for classes with annotated fields: whoever resolves those looks for their names in the module.
    """
    thing.__module__ = PACKAGE
    return thing


def shown_name(cls: type) -> str:
    """Return what messages call *cls*: module and name, or its public name if it is one of ours."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    module = PACKAGE if cls.__module__.startswith(f"{PACKAGE}.") else cls.__module__
    return f"{module}.{cls.__qualname__}"
