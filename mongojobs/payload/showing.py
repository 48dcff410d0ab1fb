"""Stored calls for people to look at: written as Python would write them, without loading or running anything.

What is secret is masked: the arguments declared ``sensitive``, all whose names say so, and, where the job's code is not
known here and so its declaration neither, every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bson import Binary, Decimal128, ObjectId

from mongojobs.core.errors import DeserializationError, MongoJobsError
from mongojobs.payload.calls import Payloads
from mongojobs.payload.encoding import TAG
from mongojobs.payload.masking import MASK, SHORTEST_SECRET, texts_of
from mongojobs.payload.methods import method_of, original, parameter_names
from mongojobs.payload.registry import Declaration
from mongojobs.payload.secrecy import is_secret

LONGEST_SHOWN: Final = 20_000
"""In characters, of one argument."""

_WIDTH: Final = 72
_SEQUENCES: Final = {"tuple": "()", "set": "{}", "frozenset": "{}"}
_DEEPEST: Final = 60


@dataclass(frozen=True, slots=True)
class ShownArgument:
    """An argument: its *name*, or its place, and its value as a text."""

    name: str
    text: str
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class ShownCall:
    """What a job calls: the *target* as a text, the *document* whose method it is, and the arguments."""

    kind: str
    target: str
    document: str | None
    arguments: tuple[ShownArgument, ...]
    is_known: bool
    """Whether the job's code is known in this process."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def clean(self, text: str) -> str:
        """Return *text* without the values of masked arguments."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text


def show_call(handler: Mapping[str, Any], payloads: Payloads) -> ShownCall:
    """Return what a stored payload calls. Raises nothing: of a damaged one, what there is."""
    outline = payloads.peek(dict(handler))
    function = _function(handler, outline.declaration, payloads)
    is_known = function is not None
    sensitive = outline.declaration.sensitive if outline.declaration else ()
    named = list(_arguments(handler, function))

    def is_hidden(name: str) -> bool:
        return not is_known or name in sensitive or is_secret(name)

    arguments = tuple(_argument(name, value, is_masked=is_hidden(name)) for name, value in named)
    hidden = [value for name, value in named if is_hidden(name)] + [
        inner for _, v in named for inner in _secret_parts(v)
    ]
    texts = (
        {text for value in hidden for text in texts_of(value) if len(text) >= SHORTEST_SECRET} if is_known else set()
    )
    return ShownCall(
        kind=str(handler.get("kind", "?")),
        target=_target(handler),
        document=_document(handler.get("target")),
        arguments=arguments,
        is_known=is_known,
        secrets=tuple(sorted(texts, key=len, reverse=True)),
    )


def show_value(value: object) -> str:
    """Return a stored *value* as Python would write it, on several lines if it is long; what is secret is masked."""
    text = _written(value, 0)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ... ({len(text):,} characters)"


def _argument(name: str, value: object, *, is_masked: bool) -> ShownArgument:
    return ShownArgument(name, MASK if is_masked else show_value(value), is_masked)


def _function(
    handler: Mapping[str, Any], declaration: Declaration | None, payloads: Payloads
) -> Callable[..., object] | None:
    """Return what is called, to ask for the names of its parameters; None if it is not known here."""
    kind, target = handler.get("kind"), handler.get("target")
    if kind in ("function", "object"):
        return declaration.target if declaration is not None else None
    content = target.get("v") if isinstance(target, dict) else None
    class_name = target if isinstance(target, str) else content.get("class") if isinstance(content, dict) else None
    try:
        cls = payloads.codec.find_class(class_name)
        bound: Callable[..., object] = original(method_of(cls, str(handler.get("method"))).__get__(object(), cls))
    except (DeserializationError, MongoJobsError, AttributeError, TypeError):
        return None
    return bound


def _arguments(handler: Mapping[str, Any], function: Callable[..., object] | None) -> Iterator[tuple[str, object]]:
    args, kwargs = handler.get("args"), handler.get("kwargs")
    names = parameter_names(function) if function is not None and handler.get("kind") != "object" else ()
    for place, value in enumerate(args if isinstance(args, list) else ()):
        yield names[place] if place < len(names) else str(place), value
    if not isinstance(kwargs, dict):
        return
    if TAG in kwargs:
        yield "(all keyword arguments)", kwargs
        return
    for name, value in kwargs.items():
        yield str(name), value


def _secret_parts(value: object) -> Iterator[object]:
    """Yield what stands under secret keys inside of *value*."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if is_secret(str(key)):
                yield inner
            else:
                yield from _secret_parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_parts(inner)


def _target(handler: Mapping[str, Any]) -> str:
    target, method = handler.get("target"), handler.get("method")
    content = target.get("v") if isinstance(target, dict) else None
    name = content.get("class", "?") if isinstance(content, dict) else target
    return f"{name}.{method}" if method else str(name)


def _document(target: object) -> str | None:
    return _written(target, 0) if isinstance(target, dict) else None


def _written(value: object, depth: int) -> str:
    if depth > _DEEPEST:
        return "..."
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
            return _joined("[", "]", [_written(item, depth + 1) for item in value])
        case dict() if TAG in value:
            return _tagged(str(value[TAG]), value.get("v"), depth)
        case dict():
            return _joined("{", "}", [f"{str(key)!r}: {_inner(str(key), item, depth)}" for key, item in value.items()])
        case _:
            return repr(value)


def _inner(key: str, value: object, depth: int) -> str:
    return MASK if is_secret(key) else _written(value, depth + 1)


def _tagged(tag: str, content: Any, depth: int) -> str:  # noqa: C901 - a table, not a decision
    match tag, content:
        case (("tuple" | "set" | "frozenset"), list()):
            opening, closing = tuple(_SEQUENCES[tag])
            items = [_written(item, depth + 1) for item in content]
            if tag == "tuple" and len(items) == 1:
                items[0] += ","
            text = _joined(opening, closing, items)
            return f"frozenset({text})" if tag == "frozenset" else text if items or tag == "tuple" else "set()"
        case (("decimal" | "date" | "time"), str()):
            return f"{tag.capitalize() if tag == 'decimal' else tag}({content!r})"
        case "uuid", bytes():
            return f"UUID('{bytes(content).hex()}')"
        case (("int64" | "bigint"), _):
            return str(content)
        case "enum", {"class": cls, "name": name}:
            return f"{_short(cls)}.{name}"
        case "document", {"class": cls, "key": key}:
            return f"{_short(cls)}({_key(key, depth)})"
        case "lazyref", {"class": cls, "id": key}:
            return f"{_short(cls)}({_key(key, depth)})"
        case (("dataclass" | "object" | "namedtuple" | "embedded"), {"class": cls, "fields": dict() as fields}):
            items = [f"{name}={_inner(str(name), item, depth)}" for name, item in fields.items()]
            return _joined(f"{_short(cls)}(", ")", items)
        case "pairs", list():
            pairs = [item for item in content if isinstance(item, list) and len(item) == 2]
            shown = [f"{_written(key, depth + 1)}: {_inner(str(key), item, depth)}" for key, item in pairs]
            return _joined("{", "}", shown)
        case _:
            return f"{tag}({_written(content, depth + 1)})"


def _key(key: object, depth: int) -> str:
    """Return what a document is found by: for most of them its id alone."""
    if isinstance(key, dict) and len(key) == 1:
        key = next(iter(key.values()))
    return str(key) if isinstance(key, ObjectId) else _written(key, depth + 1)


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
