"""What a declaration may say, and its checks: mistakes are reported when the program is loaded."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from types import FunctionType
from typing import Any, Final, Literal

from mongojobs.core.calling import generator_kind, is_async
from mongojobs.core.errors import NotAJobError, OptionError
from mongojobs.core.retry import Backoff
from mongojobs.core.words.durations import parse_duration
from mongojobs.enqueuing.options import OPTIONS, checked
from mongojobs.payload.calls.methods import all_parameters, fits, refuse_generator
from mongojobs.payload.registry import Declaration, Kind, full_name, job_name
from mongojobs.unique.checks import UniqueOptions
from mongojobs.unique.terms import NAMES as UNIQUE_OPTIONS

Errors = type[BaseException] | tuple[type[BaseException], ...] | list[type[BaseException]]
Names = str | tuple[str, ...] | list[str]

HOOKS: Final = ("enqueue", "before", "success", "error", "after", "failure")
_OPTIONS: Final = {option.of_object: name for name, option in OPTIONS.items() if option.of_object}
"""The overrides that stand for an option of an enqueue."""

OVERRIDES: Final = ("display_name", *_OPTIONS, "reschedule_at", "destroy_failed_jobs")


class Declared(UniqueOptions, total=False):
    """What a declaration may say. Options of an enqueue win over it.

    *name* is stored in place of the dotted path, *aliases* are old names that are still understood. *retry_on*: only
    these errors are tried again, any other fails the job at once. *discard_on*: these errors cancel the job.
    *on_missing*: what to do when a document it refers to is gone. *backoff*: delay before a retry.
    *sensitive*: names of arguments whose values are masked in errors, in the database and in the log.
    """

    name: str
    aliases: Names
    queue: str
    priority: int
    max_attempts: int
    max_run_time: timedelta | float | str
    keep_result: timedelta | float | str
    keep_log: int | str
    retry_on: Errors
    discard_on: Errors
    on_missing: Literal["fail", "discard", "retry"]
    backoff: Backoff
    destroy_failed_jobs: bool
    sensitive: Names


def declare(target: Any, kind: Kind, declared: dict[str, Any]) -> Declaration:
    """Return the declaration of *target*, checked. Raises OptionError, NotAJobError and RegistrationError."""
    values = _checked(declared)
    if kind == "object":
        _check_class(target)
    else:
        refuse_generator(target.__qualname__, target)
    check_names("sensitive", target, values.get("sensitive", ()))
    uniqueness: dict[str, Any] = {one: values.pop(one) for one in UNIQUE_OPTIONS if one in values}
    check_names("unique", target, uniqueness.get("unique"))
    name = full_name(target) if kind == "method" else job_name(target, values.pop("name", None))
    return Declaration(target=target, kind=kind, name=name, uniqueness=uniqueness, **values)


def _checked(declared: dict[str, Any]) -> dict[str, Any]:
    """Return *declared* in the types of ``Declaration``. Raises OptionError."""
    for name in declared:
        if name not in _CHECKS:
            raise OptionError(_unknown(name))
    said = {name: value for name, value in declared.items() if value is not None or name == "sensitive"}
    return {name: _CHECKS[name](name, value) for name, value in said.items()}


def _unknown(name: str) -> str:
    if name in OPTIONS:
        return f"unknown declaration {name!r}: it is given at each enqueue, with .options({name}=...).delay(...)"
    near = get_close_matches(name, _CHECKS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown declaration {name!r}: @job takes {', '.join(_CHECKS)}{hint}"


def _check_class(cls: type) -> None:
    """Refuse a class whose ``perform`` would run nothing, or whose hooks and overrides could not be called."""
    if not callable(getattr(cls, "perform", None)):
        raise NotAJobError(f"{cls.__qualname__} cannot be a job: it has no perform() method")
    _check_method(cls, "perform", "a job", [()])
    for name in HOOKS:
        arguments = ("job", "exception") if name == "error" else ("job",)
        _check_method(cls, name, "a hook", [arguments[:count] for count in range(len(arguments) + 1)])
    for name in OVERRIDES:
        _check_override(f"{cls.__qualname__}.{name}", name, inspect.getattr_static(cls, name, None))
        _check_method(cls, name, "an override", [("now", "attempts") if name == "reschedule_at" else ()])


def _check_method(cls: type, name: str, role: str, calls: list[tuple[str, ...]]) -> None:
    """Refuse a method that runs nothing when called, or accepts none of the argument lists in *calls*."""
    label, method = f"{cls.__qualname__}.{name}", inspect.getattr_static(cls, name, None)
    refuse_generator(label, method, role=role)
    if not isinstance(method, FunctionType | classmethod | staticmethod):
        return
    function = method.__get__(object(), cls)
    if not any(fits(function, arguments) for arguments in calls):
        raise NotAJobError(
            f"{label} cannot be {role}: it is called as {name}({', '.join(calls[-1])}), but takes other arguments:"
            " keep what it needs in the object"
        )


def _check_override(label: str, name: str, value: object) -> None:
    if is_async(value):
        raise NotAJobError(
            f"{label} cannot be an override: it is async, and is called where nothing can await it: write `def` for it"
        )
    if not (callable(value) or hasattr(value, "__get__")):  # it is the same for each instance
        _check_value(label, name, value)


def _check_value(label: str, name: str, value: object) -> None:
    """Check an override that is a plain value, like the option or declaration it stands for."""
    if value is None:
        return
    if name == "destroy_failed_jobs":
        _truth(label, value)
    elif name == "display_name" and not isinstance(value, str):
        raise OptionError(f"{label} must be a text or a method that returns one, got {value!r:.200}")
    elif name == "reschedule_at":
        raise OptionError(f"{label} must be a method that takes (now, attempts), got {value!r:.200}")
    elif (option := _OPTIONS.get(name)) is not None:
        checked(option, value, label=label)


def _as_given(_name: str, value: object) -> object:
    return value


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, got {value!r:.200}")
    return value


def _on_missing(name: str, value: object) -> object:
    if not isinstance(value, str) or value not in ("fail", "discard", "retry"):
        raise OptionError(f"{name} must be fail, discard or retry, got {value!r:.200}")
    return value


def names(name: str, given: Any, of: str = "jobs") -> tuple[str, ...]:
    """Return *given*, a name or several of what *of* says, as a tuple. Raises OptionError, which calls it *name*."""
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, tuple | list) or not all(isinstance(one, str) and one for one in several):
        raise OptionError(f"{name} must be a tuple of names of {of}, got {given!r:.200}")
    return tuple(several)


def _error_classes(name: str, given: Any) -> tuple[type[BaseException], ...]:
    classes = tuple(given) if isinstance(given, tuple | list) else (given,)
    for one in classes:
        if not (inspect.isclass(one) and issubclass(one, BaseException)):
            raise OptionError(f"{name} must be an exception class or a tuple of them, got {one!r:.200}")
    return classes


def _backoff(name: str, given: Any) -> Any:
    """Return *given* if it is a duration, or a function of the number of failures."""
    if callable(given) and not isinstance(given, type):
        if is_async(given) or generator_kind(given):
            raise OptionError(f"{name} must be a plain function, since nothing awaits it, got {given!r:.200}")
        if not fits(given, ("failures",)):
            raise OptionError(f"{name} must be a function of one argument, the number of failures, got {given!r:.200}")
        return given
    try:
        if parse_duration(given) >= timedelta(0):
            return given
    except ValueError:
        pass
    raise OptionError(
        f"{name} must be a duration of 0 or more, such as 60 or '5m', or a function of the number of failures, such as"
        f" lambda failures: 2**failures, got {given!r:.200}; leave it out for failures**4 + 5 seconds"
    )


def check_names(what: str, target: Any, names: object) -> None:
    """Refuse a name that no argument has: of a slip of the pen nobody else would know. Raises OptionError."""
    if not isinstance(names, tuple) or not names or (inspect.isclass(target) and not dataclasses.is_dataclass(target)):
        return
    parameters = all_parameters(target)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [p.name for p in parameters]
    for name in names:
        if name not in known:
            raise OptionError(f"{what} names {name!r}, but the arguments of {target.__qualname__} are {known}")


_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "name": _as_given,
    "aliases": names,
    **{name: checked for name, option in OPTIONS.items() if option.is_declared},
    "retry_on": _error_classes,
    "discard_on": _error_classes,
    "on_missing": _on_missing,
    "backoff": _backoff,
    "destroy_failed_jobs": _truth,
    "sensitive": partial(names, of="arguments"),
}
