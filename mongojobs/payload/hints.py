"""The classes named by the type hints of a function or class."""

from __future__ import annotations

import enum
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

_UNREADABLE = (AttributeError, TypeError, SyntaxError, LookupError, ValueError, ImportError)
"""What resolving a hint may raise besides NameError, as a hint may hold any expression."""


def hinted_classes(target: object) -> tuple[set[type], bool]:
    """Return the classes that the hints of *target* name, including those in ``list[...]`` and unions.

    The second value is false when some hint names what is not defined yet. Of a class,
    its fields and the parameters of its methods ``__init__`` and ``perform`` count.
    """
    found = {cls for base in _parametrised_bases(target) for cls in _classes(base)}
    complete = True
    for owner in _annotated(target):
        for annotation, scope in _annotations(owner):
            try:
                hint = typing.get_type_hints(_Annotated(annotation), *scope)["value"]
            except NameError:  # defined further down, or imported for type checkers only
                complete = False
            except _UNREADABLE:
                continue
            else:
                found.update(_classes(hint))
    return found, complete


class _Annotated:
    """Carries a single annotation, so that one that cannot be resolved does not spoil the others."""

    def __init__(self, annotation: object) -> None:
        self.__annotations__ = {"value": annotation}


def _annotated(target: object) -> list[object]:
    if not isinstance(target, type):
        return [inspect.unwrap(target) if callable(target) else target]
    methods = [inspect.getattr_static(target, name, None) for name in ("__init__", "perform")]
    return [*reversed(target.__mro__[:-1]), *(method for method in methods if inspect.isfunction(method))]


def _parametrised_bases(target: object) -> Iterator[object]:
    """Yield ``Base[Item]`` for a class: the fields themselves name only the type variable."""
    for cls in target.__mro__ if isinstance(target, type) else ():
        yield from vars(cls).get("__orig_bases__", ())


def _annotations(owner: object) -> Iterator[tuple[object, tuple[dict[str, Any], Mapping[str, object]]]]:
    try:
        annotations = inspect.get_annotations(owner)  # type: ignore[arg-type]  # any object, else TypeError
    except (NameError, *_UNREADABLE):
        return
    module = sys.modules.get(getattr(owner, "__module__", None) or "")
    module_scope = getattr(owner, "__globals__", None) or vars(module or types.ModuleType("none"))
    own_scope = vars(owner) if isinstance(owner, type) else module_scope
    for annotation in annotations.values():
        yield annotation, (module_scope, own_scope)


def _classes(hint: object, within: tuple[object, ...] = ()) -> Iterator[type]:
    if isinstance(hint, enum.Enum):
        yield type(hint)
    elif isinstance(hint, type) and typing.get_origin(hint) is None:
        yield hint
    elif not any(hint is outer for outer in within):  # a name for a type may occur in what it stands for
        for part in _parts(hint):
            yield from _classes(part, (*within, hint))


def _parts(hint: object) -> Iterator[object]:
    """Yield the parts of *hint*: both of ``Box[int]``; for a type alias or type variable, what it stands for."""
    if isinstance(hint, list):
        yield from hint
    elif (origin := typing.get_origin(hint)) is not None:
        yield from (origin, *typing.get_args(hint))
    else:
        names = ("__value__", "__supertype__", "__bound__")
        yield from (getattr(hint, name) for name in names if getattr(hint, name, None) is not None)
        yield from getattr(hint, "__constraints__", ())
