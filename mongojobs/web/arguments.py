"""The arguments of a stored call in a form: written as JSON, where JSON can express them.

What is masked is not shown here either, and stays as it was. But it goes nowhere else than before: whoever changes
another argument, which may be where a secret is sent, must give the masked ones anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from mongojobs.app.run_again import Place
from mongojobs.core.errors import OptionError
from mongojobs.payload.masking import MASK
from mongojobs.payload.show import ShownCall, show_call
from mongojobs.payload.values.encode import TAG
from mongojobs.web.context import RequestContext

MOST_ARGUMENTS: Final = 30
LONGEST_ARGUMENT: Final = 4_000
"""In characters; anything larger is not for editing in a page."""

_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Field:
    """An argument in the form: its *place*, its label, and its value as JSON; None if it has no JSON form."""

    key: str
    place: Place
    name: str
    shown: str
    json: str | None
    is_masked: bool

    @property
    def can_be_edited(self) -> bool:
        """Whether it may be edited: JSON can express it, or it is masked."""
        return self.is_masked or self.json is not None


def fields_of(handler: Mapping[str, Any], visit: RequestContext) -> tuple[ShownCall, list[Field]]:
    """Return the call stored as *handler* and its editable fields: none if arguments are hidden, or too many."""
    call, stored = show_call(handler, visit.app.payloads), list(_stored(handler))
    if not (visit.show_arguments and call.is_known and len(stored) == len(call.arguments) <= MOST_ARGUMENTS):
        return call, []
    fields = [
        Field(
            key=f"argument-{number}",
            place=place,
            name=shown.name,
            shown=shown.text,
            json=None if shown.is_masked else _as_json(value, shown.text),
            is_masked=shown.is_masked,
        )
        for number, ((place, value), shown) in enumerate(zip(stored, call.arguments, strict=True))
    ]
    return call, fields


def typed_in(fields: list[Field], visit: RequestContext) -> dict[str, str]:
    """Return what was typed into the form, by field, and what it was before."""
    keys = [key for field in fields for key in (field.key, f"was-{field.key}")]
    return {key: visit.request.form[key] for key in keys if key in visit.request.form}


def _stored(handler: Mapping[str, Any]) -> Iterator[tuple[Place, object]]:
    """Yield the stored arguments with their places, in the order in which they are shown."""
    args, kwargs = handler.get("args"), handler.get("kwargs")
    yield from enumerate(args if isinstance(args, list) else ())
    if isinstance(kwargs, dict) and TAG not in kwargs:
        yield from kwargs.items()


def _as_json(value: object, shown: str) -> str | None:
    """Return *value* as JSON; None if JSON cannot express it, it is too large, or partly masked."""
    if len(shown) > LONGEST_ARGUMENT or MASK in shown or not _is_plain(value, 0):
        return None
    return json.dumps(value, ensure_ascii=False)


def _is_plain(value: object, depth: int) -> bool:
    match value:
        case None | bool() | str() | int():
            return True
        case float():
            return isfinite(value)
        case list():
            return depth < _DEEPEST and all(_is_plain(item, depth + 1) for item in value)
        case dict():
            return depth < _DEEPEST and TAG not in value and all(_is_plain(item, depth + 1) for item in value.values())
        case _:
            return False


def changed_in(fields: list[Field], visit: RequestContext) -> dict[Place, object]:
    """Return the arguments that the form changes. Raises OptionError."""
    changed: dict[Place, object] = {}
    for field in fields:
        text = visit.request.form.get(field.key, "").strip() if field.can_be_edited else ""
        if text and text != visit.request.form.get(f"was-{field.key}", field.json):
            changed[field.place] = _read(field, text)
    kept = [field.name for field in fields if field.is_masked and field.place not in changed]
    if changed and kept:
        raise OptionError(f"To change an argument, enter the masked ones again: {', '.join(kept)}.")
    return changed


def _read(field: Field, text: str) -> object:
    if len(text) > LONGEST_ARGUMENT:
        raise OptionError(f"{field.name} is longer than {LONGEST_ARGUMENT} characters.", option=field.key)
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise OptionError(
            f'{field.name} must be written as JSON, such as 7, "a text", true, null or ["a list"].', option=field.key
        ) from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
