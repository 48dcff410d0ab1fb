"""Keeping secrets out of texts that are stored and logged: the arguments declared ``sensitive``, and ``redact``.

The values are taken from the stored payload, so that nothing the job's code does with its arguments matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from mongojobs.payload.encoding import TAG
from mongojobs.payload.kinds import Call, ObjectCall
from mongojobs.payload.methods import parameter_names
from mongojobs.payload.registry import Declaration

Clean = Callable[[str], str]

MASK: Final = "[masked]"
SHORTEST_SECRET: Final = 3
"""Shorter values stand in every text by chance: to mask them would say more than it hides."""


def cleaner(
    handler: Mapping[str, Any], declaration: Declaration | None, call: Call | None, redact: Clean | None
) -> Clean:
    """Return what masks, in a text, the sensitive arguments of a stored payload, and then lets *redact* see it.

    Where there is no *call*, since it was not or could not be loaded, every argument counts as sensitive.
    """
    names = declaration.sensitive if declaration else ()
    secrets = sorted(_secrets(handler, names, call), key=len, reverse=True) if names else []

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text if redact is None else _redacted(text, redact)

    return clean


def _secrets(handler: Mapping[str, Any], names: Iterable[str], call: Call | None) -> set[str]:
    values = [value for name, value in _arguments(handler, call) if name is None or name in names]
    texts = {text for value in values for text in texts_of(value)}
    return {text for text in texts if len(text) >= SHORTEST_SECRET}


def _arguments(handler: Mapping[str, Any], call: Call | None) -> Iterator[tuple[str | None, object]]:
    """Yield the stored arguments with their names; None where a name is not known."""
    args, kwargs = handler.get("args"), handler.get("kwargs")
    if call is None or not isinstance(args, list) or not isinstance(kwargs, dict) or TAG in kwargs:
        yield None, args
        yield None, kwargs
        return
    names = () if isinstance(call, ObjectCall) else parameter_names(call.function)
    for place, value in enumerate(args):
        yield names[place] if place < len(names) else None, value
    yield from kwargs.items()


def texts_of(stored: object) -> Iterator[str]:
    """Yield in which forms *stored*, and what is in it, may stand in a text."""
    match stored:
        case str():
            yield stored
            yield repr(stored)[1:-1]
        case bytes():
            yield repr(stored)[2:-1]
        case bool():
            return
        case int() | float():
            yield str(stored)
        case list():
            for item in stored:
                yield from texts_of(item)
        case dict():
            for key, item in stored.items():
                if key != TAG:
                    yield from texts_of(item)
        case _:
            return


def _redacted(text: str, redact: Clean) -> str:
    try:
        redacted: object = redact(text)
    except Exception as error:  # noqa: BLE001 - the app's own function may raise anything
        return f"(hidden, since redact raised {type(error).__name__})"
    return redacted if isinstance(redacted, str) else "(hidden, since redact returned no text)"
