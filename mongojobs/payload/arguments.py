"""The stored arguments of a job by name, and which of them are secret, without loading or running anything.

Secret are the arguments declared ``sensitive``, those whose names say so, any value under such a name inside the
others, and, where the job's code and so its declaration is unknown, all of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

from mongojobs.core.errors import MongoJobsError
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.calls.methods import collector, hands_on, job_method, parameter_names
from mongojobs.payload.registry import Declaration
from mongojobs.payload.values.encode import TAG

_SECRET: Final = re.compile(
    r"passw(?:or)?d|passphrase|(?:^|_)pwd|secret|token|authorization|(?:^|_)auth(?:$|_)|api_?key|private_?key|access_?key"
    r"|credential|cookie|session_?id|(?:^|_)(?:ssn|cvv|cvc|pin|iban)(?:$|_)|card_?number",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class StoredArgument:
    """An argument: its *name* or position, its *value* as stored, and whether that is secret."""

    name: str
    value: object
    is_secret: bool


@dataclass(frozen=True, slots=True)
class StoredArguments:
    """The arguments of a stored payload; *is_known* tells whether this process has the job's code."""

    arguments: tuple[StoredArgument, ...]
    is_known: bool

    def secrets(self) -> Iterator[object]:
        """Yield the secret values, including those nested inside other values."""
        for argument in self.arguments:
            yield from (argument.value,) if argument.is_secret else _secret_parts(argument.value)


def stored_arguments(handler: Mapping[str, Any], payloads: Payloads) -> StoredArguments:
    """Return the stored arguments. Raises nothing: from a damaged payload, whatever can be read."""
    declaration = payloads.peek(dict(handler)).declaration
    function = _function(handler, declaration, payloads)
    arguments = tuple(
        StoredArgument(name, value, function is None or hides(declaration, names))
        for name, value, names in _named(handler, None if handler.get("kind") == "object" else function, declaration)
    )
    return StoredArguments(arguments, is_known=function is not None)


def names_at(
    place: str, function: Callable[..., object] | None, declaration: Declaration | None = None
) -> tuple[str, ...]:
    """Return the names of the argument of *function* at *place*, a name or a position: ``*rest`` has one too.

    A wrapper may hand on a positional argument as any other, and so as each one that is declared ``sensitive``. Without
    a function, as for a job object, a name is all there is.
    """
    perhaps = declaration.sensitive if declaration and function is not None and hands_on(function) else ()
    if not place.isdecimal():
        return (place, *collector(function, Parameter.VAR_KEYWORD, place), *perhaps)
    names = parameter_names(function) if function is not None else ()
    at = int(place)
    own = (names[at],) if at < len(names) else collector(function, Parameter.VAR_POSITIONAL)
    return (*own, *perhaps)


def hides(declaration: Declaration | None, names: Iterable[str]) -> bool:
    """Whether a job with this *declaration* keeps an argument that goes by *names* secret."""
    sensitive = declaration.sensitive if declaration else ()
    return any(is_hidden(sensitive, name) for name in names)


@functools.lru_cache(maxsize=4096)
def is_hidden(sensitive: tuple[str, ...], name: str) -> bool:
    """Whether the argument *name* is secret in a job that declares those *sensitive*; each enqueue of a key asks."""
    return name in sensitive or is_secret(name)


def is_secret(name: str) -> bool:
    """Whether *name*, of an argument or of a key inside one, says that its value must not be shown."""
    return _SECRET.search(name.replace("-", "_")) is not None


def _function(
    handler: Mapping[str, Any], declaration: Declaration | None, payloads: Payloads
) -> Callable[..., object] | None:
    """Return the function called, to read its parameter names from; None if it is not known here."""
    kind, target = handler.get("kind"), handler.get("target")
    if kind in ("function", "object"):
        return declaration.target if declaration is not None else None
    content = target.get("v") if isinstance(target, dict) else None
    class_name = target if isinstance(target, str) else content.get("class") if isinstance(content, dict) else None
    try:
        found = job_method(payloads.codec.find_class(class_name), str(handler.get("method")), handler.get("owner"))
    except (MongoJobsError, AttributeError, TypeError):
        return None
    return None if found is None else found[0]


def _named(
    handler: Mapping[str, Any], function: Callable[..., object] | None, declaration: Declaration | None
) -> Iterator[tuple[str, object, tuple[str, ...]]]:
    """Yield each argument: its name or position, its value, and all names that it goes by."""
    args, kwargs = handler.get("args"), handler.get("kwargs")
    positional = parameter_names(function) if function is not None else ()
    for place, value in enumerate(args if isinstance(args, list) else ()):
        name = positional[place] if place < len(positional) else str(place)
        yield name, value, names_at(str(place), function, declaration)
    for name, value in _pairs(kwargs):
        yield name, value, (name, *collector(function, Parameter.VAR_KEYWORD, name))


def _pairs(kwargs: object) -> Iterator[tuple[str, object]]:
    """Yield the keyword arguments; they are tagged if one of them has a name that cannot be a field name."""
    match kwargs:
        case {"__mj": "pairs", "v": list() as items} if all(isinstance(one, list) and len(one) == 2 for one in items):
            yield from ((str(name), value) for name, value in items)
        case dict() if TAG in kwargs:
            yield "(all keyword arguments)", kwargs
        case dict():
            yield from ((str(name), value) for name, value in kwargs.items())
        case _:
            return


def _secret_parts(value: object) -> Iterator[object]:
    """Yield the values under secret keys inside *value*."""
    match value:
        case {"__mj": "pairs", "v": list() as pairs}:
            items = [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
        case dict():
            items = list(value.items())
        case list():
            items = [("", inner) for inner in value]
        case _:
            return
    for key, inner in items:
        if is_secret(str(key)):
            yield inner
        else:
            yield from _secret_parts(inner)
