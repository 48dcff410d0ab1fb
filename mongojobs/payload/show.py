"""Stored calls for people: written as Python would write them, without loading or running anything.

What is secret (``payload.arguments``) is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any, Final, TypeVar

from bson import Binary, Decimal128, ObjectId

from mongojobs.payload.arguments import is_secret, stored_arguments
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.masking import MASK, Clean, Mask
from mongojobs.payload.results import why_not_kept
from mongojobs.payload.values.encode import TAG, WITH_FIELDS

T = TypeVar("T")

LONGEST_SHOWN: Final = 20_000
"""In characters, of one argument."""
LONGEST_BRIEF: Final = 120
"""In characters, for all arguments together in a list."""

MOST_VALUES: Final = 2000
"""In one argument; nobody reads more, so it is not worth the time to write."""

LONGEST_LINE: Final = 300
LONGEST_LOOKED_AT: Final = 2000
"""In characters, for an error in a list, and for the text it is taken from."""

MOST_SECRETS_IN_LISTS: Final = 1000
"""For a job with more of them, a list shows only the exception class of an error."""

_WIDTH: Final = 72
_SEQUENCES: Final = {"tuple": "()", "set": "{}", "frozenset": "{}"}
_DEEPEST: Final = 60
_BRIEF_ARGUMENTS: Final = 4
_BRIEF_TEXT: Final = 40
_BRIEF_ITEMS: Final = 4
_BRIEF_DEPTH: Final = 4
_MOST_TAGGED: Final = 12


@dataclass(frozen=True, slots=True)
class ShownArgument:
    """An argument: its *name* or position, and its value as text."""

    name: str
    text: str
    is_masked: bool = False


@dataclass(slots=True)
class _Room:
    """How many more values may be written."""

    left: int

    def for_some(self, values: Iterable[T]) -> Iterator[T]:
        """Yield as many of *values* as there is room for."""
        return takewhile(lambda _: self.left > 0, values)


@dataclass(frozen=True, slots=True)
class ShownCall:
    """What a job calls: the *target* as text, the *document* whose method it is, and the arguments."""

    kind: str
    target: str
    document: str | None
    arguments: tuple[ShownArgument, ...]
    is_known: bool
    """Whether the job's code is known in this process."""
    clean: Clean = field(default=str, repr=False)
    """Masks the values of secret arguments in a text."""


def show_call(handler: Mapping[str, Any], payloads: Payloads) -> ShownCall:
    """Return what a stored payload calls. Raises nothing: from a damaged one, whatever can be read."""
    stored = stored_arguments(handler, payloads)
    return ShownCall(
        kind=str(handler.get("kind", "?")),
        target=_target(handler),
        document=_document(handler.get("target")),
        arguments=tuple(_argument(one.name, one.value, is_masked=one.is_secret) for one in stored.arguments),
        is_known=stored.is_known,
        clean=Mask(stored.secrets()) if stored.is_known else str,
    )


def show_error(text: str, handler: Mapping[str, Any], payloads: Payloads) -> str:
    """Return the first line of an error, masked, for a list of many: quick, so it may mask all of it."""
    stored = stored_arguments(handler, payloads)
    kind, sign, message = text[:LONGEST_LOOKED_AT].partition(": ")
    if not kind.isidentifier():
        kind, sign, message = "", "", text[:LONGEST_LOOKED_AT]
    if stored.is_known:
        message = Mask(stored.secrets(), most=MOST_SECRETS_IN_LISTS)(message)
    return f"{kind}{sign}{message}".partition("\n")[0][:LONGEST_LINE]


def show_briefly(handler: Mapping[str, Any], payloads: Payloads) -> str:
    """Return the first arguments of a stored payload on one line for lists, masked as in ``show_call``.

    The cost does not depend on their size. Raises nothing.
    """
    stored = stored_arguments(handler, payloads)
    if not stored.is_known:
        return MASK if stored.arguments else ""
    first = stored.arguments[:_BRIEF_ARGUMENTS]
    parts = [f"{one.name}={MASK if one.is_secret else _in_line(one.value)}" for one in first]
    text = ", ".join([*parts, "..."] if len(stored.arguments) > len(first) else parts)
    return text if len(text) <= LONGEST_BRIEF else f"{text[:LONGEST_BRIEF]}..."


def _in_line(value: object) -> str:
    return re.sub(r"\n\s*", " ", _written(_pruned(value, 0), 0, _Room(MOST_VALUES)))


def _pruned(value: object, depth: int, *, most: int = _BRIEF_ITEMS) -> object:
    """Return the beginning of *value*."""
    match value:
        case str() | bytes():
            cut = value[:_BRIEF_TEXT]
            return f"{cut}..." if isinstance(cut, str) and len(cut) < len(value) else cut
        case list() | dict() if depth > _BRIEF_DEPTH:
            return "..."
        case list():
            return [_pruned(item, depth + 1) for item in value[:most]] + (["..."] if len(value) > most else [])
        case dict():
            inner = _MOST_TAGGED if TAG in value else _BRIEF_ITEMS
            return {key: _pruned(item, depth + 1, most=inner) for key, item in islice(value.items(), max(most, inner))}
        case _:
            return value


def show_result(returned: Mapping[str, Any], call: ShownCall | None = None) -> str:
    """Return what a job returned, or why that is not kept, as text; of a *call* whose code is unknown, only a mask.

    The values of its secret arguments are masked, as is what stands under a secret name.
    """
    if call is None:
        return why_not_kept(returned) or show_value(returned["value"])
    return call.clean(show_result(returned)) if call.is_known else MASK


def show_value(value: object) -> str:
    """Return a stored *value* as Python would write it, on several lines if it is long; secrets are masked."""
    room = _Room(MOST_VALUES)
    text = _written(value, 0, room)
    if room.left <= 0:
        return f"{text[:LONGEST_SHOWN]} ... (and more values)"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ... ({len(text):,} characters)"


def _argument(name: str, value: object, *, is_masked: bool) -> ShownArgument:
    return ShownArgument(name, MASK if is_masked else show_value(value), is_masked)


def _target(handler: Mapping[str, Any]) -> str:
    target, method = handler.get("target"), handler.get("method")
    content = target.get("v") if isinstance(target, dict) else None
    name = content.get("class", "?") if isinstance(content, dict) else target
    return f"{name}.{method}" if method else str(name)


def _document(target: object) -> str | None:
    return _written(target, 0, _Room(MOST_VALUES)) if isinstance(target, dict) else None


def _written(value: object, depth: int, room: _Room) -> str:
    if depth > _DEEPEST:
        return "..."
    room.left -= 1
    match value:
        case str():
            return repr(str(value))
        case datetime():
            return _moment(value)
        case Binary() | bytes():
            return repr(bytes(value)) if len(value) <= _WIDTH else f"{bytes(value[:32])!r}... ({len(value):,} bytes)"
        case ObjectId() | Decimal128():
            return repr(value)
        case list():
            return _joined("[", "]", [_written(item, depth + 1, room) for item in room.for_some(value)])
        case dict() if TAG in value:
            return _tagged(str(value[TAG]), value.get("v"), depth, room)
        case dict():
            return _joined(
                "{",
                "}",
                [f"{str(key)!r}: {_inner(str(key), item, depth, room)}" for key, item in room.for_some(value.items())],
            )
        case _:
            return repr(value)


def _inner(key: str, value: object, depth: int, room: _Room) -> str:
    return MASK if is_secret(key) else _written(value, depth + 1, room)


def _tagged(tag: str, content: Any, depth: int, room: _Room) -> str:  # noqa: C901 - a table, not a decision
    match tag, content:
        case (("tuple" | "set" | "frozenset"), list()):
            opening, closing = tuple(_SEQUENCES[tag])
            items = [_written(item, depth + 1, room) for item in room.for_some(content)]
            if tag == "tuple" and len(items) == 1:
                items[0] += ","
            text = _joined(opening, closing, items)
            return f"frozenset({text})" if tag == "frozenset" else text if items or tag == "tuple" else "set()"
        case (("decimal" | "date" | "time"), str()):
            return f"{tag.capitalize() if tag == 'decimal' else tag}({content!r})"
        case "range", [_, _, _]:
            return f"range({', '.join(_written(number, depth + 1, room) for number in content)})"
        case "uuid", bytes():
            return f"UUID('{bytes(content).hex()}')"
        case (("int64" | "bigint"), _):
            return str(content)
        case "enum", {"class": cls, "name": name}:
            return f"{_short(cls)}.{name}"
        case (("document" | "reference"), {"class": cls, "key": key}):
            return f"{_short(cls)}({_key(key, depth, room)})"
        case "lazyref", {"class": cls, "id": key}:
            return f"{_short(cls)}({_key(key, depth, room)})"
        case _, {"class": cls, "fields": dict() as fields} if tag in WITH_FIELDS:
            items = [f"{name}={_inner(str(name), item, depth, room)}" for name, item in room.for_some(fields.items())]
            return _joined(f"{_short(cls)}(", ")", items)
        case "pairs", list():
            pairs = [item for item in room.for_some(content) if isinstance(item, list) and len(item) == 2]
            shown = [f"{_written(key, depth + 1, room)}: {_inner(str(key), item, depth, room)}" for key, item in pairs]
            return _joined("{", "}", shown)
        case _:
            return f"{tag}({_written(content, depth + 1, room)})"


def _key(key: object, depth: int, room: _Room) -> str:
    """Return what identifies a document: usually just its id."""
    if isinstance(key, dict) and len(key) == 1:
        key = next(iter(key.values()))
    return str(key) if isinstance(key, ObjectId) else _written(key, depth + 1, room)


def _short(class_name: object) -> str:
    return str(class_name).rpartition(".")[2]


def _moment(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds')[:-6]} UTC"


def _joined(opening: str, closing: str, items: list[str]) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    inner = ",\n".join(items).replace("\n", "\n    ")
    return f"{opening}\n    {inner},\n{closing}"
