"""Which methods can be jobs, and whether a call fits a signature."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any, Final

from mongojobs.core.calling import generator_kind, is_async
from mongojobs.core.errors import ArgumentsError, NotAJobError
from mongojobs.payload.registry import Declaration, can_be_name, full_name, registry

_LIBRARIES: Final = {
    "mongoengine": "MongoEngine",
    "django.db": "Django",
    "pydantic": "Pydantic",
    "beanie": "Beanie",
    "lazy_model": "Beanie",
}
"""By module: their own methods cannot be jobs, since a planted job document could call them.

``drop_collection`` or ``delete_all`` would take the data away, and Pydantic's ``parse_raw`` unpickles if it is told to.
"""


def method_of(cls: type, name: str, owner: str | None = None) -> Any:
    """Return what *cls* or a base has under *name*, unbound. Raises NotAJobError unless it may be a job.

    With *owner*, the full name of a base, it is what stands there, though another one hides it: what ``super()`` finds.
    A private method, and what *owner* names, must have been declared by ``handle_asynchronously``.
    """
    if name.startswith("__"):
        raise NotAJobError(f"{cls.__name__}.{name} cannot be a job: names with two underscores are Python's own")
    home = _home(cls, name, owner)
    if home is None:
        of = "" if owner is None else f" of {owner!r:.100}"
        raise NotAJobError(f"{cls.__name__} has no method {name!r}{of}{_nearest(cls, name)}")
    method = vars(home)[name]
    library = _library_of(home) or _library_of(method)
    if library is not None:
        raise NotAJobError(f"{cls.__name__}.{name} is {library}'s own: define a method that calls it, and delay that")
    if not _is_method(method):
        raise NotAJobError(f"{cls.__name__}.{name} is no method, but {type(method).__name__}{_nearest(cls, name)}")
    if (owner is not None or name.startswith("_")) and declaration_of(method) is None:
        raise NotAJobError(
            f"{cls.__name__}.{name} cannot be a job: a private or overridden method must be declared, by"
            f" @handle_asynchronously above it"
        )
    refuse_generator(f"{cls.__name__}.{name}", getattr(method, "__func__", method))
    return method


def is_missing(cls: type, name: str, owner: str | None = None) -> bool:
    """Return whether *cls* has nothing called *name*, though another version of the code might."""
    can_be = name.isidentifier() and not name.startswith("__") and (owner is None or can_be_name(owner))
    return can_be and _home(cls, name, owner) is None


def _home(cls: type, name: str, owner: str | None) -> type | None:
    """Return the base of *cls* that defines *name*: the one called *owner*, if one is named."""
    for base in cls.__mro__:
        if name in vars(base) and (owner is None or full_name(base) == owner or registry.renamed_class(owner) is base):
            return base
    return None


def bound_method(target: object, name: str) -> Callable[..., object]:
    """Return the method *name* of *target*, an instance or a class, that runs at once. Raises NotAJobError."""
    cls, instance = (target, None) if isinstance(target, type) else (type(target), target)
    return original(method_of(cls, name).__get__(instance, cls))


def job_method(
    cls: type, name: str, owner: str | None = None
) -> tuple[Callable[..., object], Declaration | None] | None:
    """Return the method *name* of *cls*, to read its parameters from, and its declaration; None if it is not a job."""
    try:
        method = method_of(cls, name, owner)
        return original(method.__get__(object(), cls)), declaration_of(method)
    except (NotAJobError, AttributeError, TypeError):
        return None


def refuse_instance_method(cls: type, name: str, owner: str | None = None) -> None:
    """Raise NotAJobError if the method *name*, defined by *owner*, needs an instance of *cls*."""
    probe = object()
    bound = original(method_of(cls, name, owner).__get__(probe, cls))
    if isinstance(bound, MethodType) and bound.__self__ is probe:
        raise NotAJobError(
            f"{cls.__name__}.{name} is an instance method: call it on an instance, or make it a classmethod"
        )


def refuse_generator(label: str, function: object, *, role: str = "a job") -> None:
    """Raise NotAJobError if *function* is a generator, sync or async: calling it runs none of its lines."""
    kind = generator_kind(function)
    if kind is not None:
        raise NotAJobError(
            f"{label} cannot be {role}: it is {kind}, and calling it runs none of its lines: return instead of yield"
        )


def original(bound: Any) -> Callable[..., object]:
    """Return the method that runs at once if ``handle_asynchronously`` wrapped *bound*, else *bound*."""
    method: Callable[..., object] = getattr(bound, "without_delay", bound)
    return method


def declaration_of(method: object) -> Declaration | None:
    """Return what ``handle_asynchronously`` declared for *method*, as found in its class."""
    declaration = getattr(method, "declaration", None)
    return declaration if isinstance(declaration, Declaration) else None


def is_async_method(method: object) -> bool:
    """Return whether *method*, as found in its class, is ``async def``."""
    declaration = declaration_of(method)
    return declaration.is_async if declaration else is_async(getattr(method, "__func__", method))


def check_arguments(
    label: str, function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> None:
    """Raise ArgumentsError unless *function* can be called with these arguments; *label* names it in the message."""
    plain, leading = _unbound(function)
    if not kwargs and len(leading) + len(args) in _counts(plain):
        return
    signature = _signature(plain)
    if signature is None:
        return
    try:
        signature.bind(*leading, *args, **kwargs)
    except TypeError as error:
        shown = _without_self(signature) if leading else signature
        raise ArgumentsError(f"{label}{shown} does not take these arguments: {error}") from None


def positional_counts(function: Callable[..., object]) -> range:
    """Return how many positional arguments alone *function* surely takes; of other calls ``check_arguments`` tells."""
    plain, leading = _unbound(function)
    counts = _counts(plain)
    return range(counts.start - len(leading), counts.stop - len(leading))


def fits(function: Callable[..., object], args: Sequence[object]) -> bool:
    """Return whether *function* can be called with these positional arguments, as far as its signature tells."""
    try:
        check_arguments("", function, args, {})
    except ArgumentsError:
        return False
    return True


def argument_labels(function: Callable[..., object], count: int) -> Sequence[str]:
    """Return the names that messages give *count* positional arguments: ``argument 'order_id'``, or ``argument 3``."""
    plain, leading = _unbound(function)
    return _labels(plain, len(leading), count)


@functools.lru_cache(maxsize=4096)
def _labels(function: Callable[..., object], skipped: int, count: int) -> Sequence[str]:
    named = [f"argument {name!r}" for name in _positional(function)[skipped:][:count]]
    return (*named, *(f"argument {number + 1}" for number in range(len(named), count)))


def parameter_names(function: Callable[..., object]) -> Sequence[str]:
    """Return the names of the positional parameters of *function*, without a bound one."""
    plain, leading = _unbound(function)
    return _positional(plain)[len(leading) :]


def collector(function: Callable[..., object] | None, kind: object, name: str = "") -> tuple[str, ...]:
    """Return the name of the parameter of *function* that collects the extra arguments of *kind*, if there is one.

    Those are all that no parameter has the *name* of.
    """
    signature = _handed_on(_unbound(function)[0]) if function is not None else None
    if signature is None or name in signature.parameters:
        return ()
    return tuple(p.name for p in signature.parameters.values() if p.kind is kind)


def named_parameters(function: Callable[..., object]) -> Sequence[str] | None:
    """Return the names of the parameters of *function*; None if one collects arguments, or it wraps another."""
    named = _by_name(_unbound(function)[0])
    return None if named is None else named[0]


def bound_arguments(
    function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> tuple[dict[str, object], Mapping[str, object]]:
    """Return *args* and *kwargs*, which fit *function*, by the names of its parameters, and the defaults of the others.

    Those of a wrapper are the ones of what it wraps. Those without a name go by their position.
    """
    plain, leading = _unbound(function)
    if (named := _by_name(plain)) is not None:
        names, defaults = named
        given = {**dict(zip(names[len(leading) :] if leading else names, args, strict=False)), **kwargs}
        if not defaults:
            return given, defaults
        return given, {name: value for name, value in defaults.items() if name not in given}
    return _bound(plain, [*leading, *args], kwargs, leading=len(leading))


def _bound(
    function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object], *, leading: int
) -> tuple[dict[str, object], dict[str, object]]:
    """Do what ``bound_arguments`` does for any function, wrappers included."""
    signature = _handed_on(function)
    try:
        bound = signature.bind(*args, **kwargs) if signature else None
    except TypeError:  # a wrapper that takes other arguments
        bound = None
    if signature is None or bound is None:
        return {**{str(place): value for place, value in enumerate(args[leading:])}, **kwargs}, {}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in bound.arguments.items()}
    others = [p for p in signature.parameters.values() if p.name not in given and p.default is not p.empty]
    return dict(list(given.items())[leading:]), {p.name: p.default for p in others}


@functools.lru_cache(maxsize=4096)
def _by_name(function: Callable[..., object]) -> tuple[Sequence[str], Mapping[str, object]] | None:
    """Return the names of the parameters, and their defaults; None if one has none, or it wraps another function."""
    parameters = _parameters(_signature(function))
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if hasattr(function, "__wrapped__") or not parameters or any(p.kind not in named for p in parameters):
        return None
    return [p.name for p in parameters], {p.name: p.default for p in parameters if p.default is not p.empty}


def all_parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of *function*, plus those of what it wraps if it passes on arguments it does not name."""
    own, inner = _parameters(_signature(function)), _parameters(_handed_on(function))
    return [p for p in own if p.kind is not p.VAR_KEYWORD] + inner if hands_on(function) else own


def hands_on(function: Callable[..., object]) -> bool:
    """Return whether *function* is a wrapper that may pass on other positional arguments than it was given."""
    plain, _ = _unbound(function)
    return hasattr(plain, "__wrapped__") and any(p.kind is p.VAR_POSITIONAL for p in _parameters(_signature(plain)))


def handed_on_parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of *function*, or of the innermost function that it wraps."""
    return _parameters(_handed_on(function))


def _parameters(signature: inspect.Signature | None) -> list[inspect.Parameter]:
    return list(signature.parameters.values()) if signature else []


def _unbound(function: Callable[..., object]) -> tuple[Callable[..., object], tuple[object, ...]]:
    """Return the plain function and the bound arguments, so that each function's signature is read only once."""
    return (function.__func__, (None,)) if isinstance(function, MethodType) else (function, ())


@functools.lru_cache(maxsize=4096)
def _signature(function: Callable[..., object]) -> inspect.Signature | None:
    """Return the signature of what will be called: the wrapper's, not the wrapped one's, as it may add arguments."""
    with suppress(TypeError, ValueError):  # written in C, as that of functools.cache, which hands everything on
        return inspect.signature(function, follow_wrapped=False)
    return _handed_on(function)


@functools.lru_cache(maxsize=4096)
def _handed_on(function: Callable[..., object]) -> inspect.Signature | None:
    """Return the signature of the innermost function, whose parameter names a wrapper hides."""
    with suppress(TypeError, ValueError):  # some functions written in C
        return inspect.signature(function)
    return None


@functools.lru_cache(maxsize=4096)
def _counts(function: Callable[..., object]) -> range:
    """Return how many positional arguments *function* surely takes; binding them one by one is far slower."""
    signature = _signature(function)
    parameters = list(signature.parameters.values()) if signature else []
    if not signature or any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return range(0)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return range(sum(p.default is p.empty for p in positional), len(positional) + 1)


@functools.lru_cache(maxsize=4096)
def _positional(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the positional parameters; past those of a wrapper, those of what it wraps."""
    own, inner = _names(_signature(function)), _names(_handed_on(function))
    return own + inner[len(own) :] if hands_on(function) else own


def _names(signature: inspect.Signature | None) -> tuple[str, ...]:
    return tuple(p.name for p in _parameters(signature) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    first, *others = signature.parameters.values()
    return signature if first.kind is first.VAR_POSITIONAL else signature.replace(parameters=others)


def _library_of(thing: object) -> str | None:
    """Return the name of the library that *thing*, a class or a method, is of; None if it is the app's."""
    module = getattr(getattr(thing, "__func__", thing), "__module__", None)
    if not isinstance(module, str):
        return None
    package, _, rest = module.partition(".")
    return _LIBRARIES.get(package) or _LIBRARIES.get(f"{package}.{rest.partition('.')[0]}")


def _is_method(attribute: object) -> bool:
    if isinstance(attribute, FunctionType | classmethod | staticmethod):
        return True
    return hasattr(type(attribute), "__get__") and (declaration_of(attribute) is not None or _is_called(attribute))


def _is_called(attribute: object) -> bool:
    return callable(attribute) and not isinstance(attribute, type)


def _nearest(cls: type, name: str) -> str:
    attributes = [item for base in cls.__mro__ if not _library_of(base) for item in vars(base).items()]
    methods = [other for other, value in attributes if _is_method(value) and not other.startswith("_")]
    nearest = difflib.get_close_matches(name, methods, n=1)
    return f": did you mean {nearest[0]!r}?" if nearest else ""
