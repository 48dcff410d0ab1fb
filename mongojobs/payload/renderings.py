"""The texts in which code may have printed a stored value: the ways to write it, and to escape the result."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from urllib.parse import quote, quote_plus
from uuid import UUID

from bson import Decimal128, ObjectId, Regex, Timestamp

from mongojobs.payload.values import times
from mongojobs.payload.values.encode import TAG, WITH_FIELDS


def texts_of(stored: object) -> Iterator[str]:  # noqa: C901, PLR0912 - a table, not a decision
    """Yield the texts in which *stored*, and everything inside it, dict keys included, may be written."""
    match stored:
        case str():
            yield stored
        case bool() | None:
            return
        case int() | float():
            yield from _number(stored)
        case UUID():
            yield from (str(stored), str(stored.int), repr(stored.bytes)[2:-1])
        case bytes():
            yield from _bytes(stored)
        case list() | tuple() | dict():
            yield from _texts_inside(stored)
        case Decimal() | Decimal128():
            yield from _decimal(str(stored))
        case datetime():
            yield from _moment(stored)
        case date():
            yield from _day(stored)
        case time():
            yield from (stored.isoformat(), stored.isoformat("minutes"), _inner_repr(stored))
        case timedelta():
            yield from (str(stored), _inner_repr(stored))
            yield from _number(stored.total_seconds())
        case ObjectId():
            yield from (str(stored), repr(stored.binary)[2:-1])
        case Regex():
            yield from texts_of(stored.pattern)
        case Timestamp():
            yield from (str(stored.time), _inner_repr(stored))
        case _:
            return


def _texts_inside(stored: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterator[str]:
    if isinstance(stored, dict) and TAG in stored:
        yield from _tagged(str(stored[TAG]), stored.get("v"))
    elif isinstance(stored, dict):
        for key, item in stored.items():
            yield str(key)
            yield from texts_of(item)
    else:
        for item in stored:
            yield from texts_of(item)


def escaped(text: str) -> set[str]:
    """Return *text* and its quoted forms: ``repr``, JSON, URLs, HTML."""
    if text.isascii() and text.isalnum():
        return {text}
    encoded = text.encode("utf-8", "backslashreplace")
    forms = {
        *(text, _inner_repr(text), repr(repr(text))[2:-2], ascii(text)[1:-1], repr(encoded)[2:-1]),
        *(json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]),
        *(html.escape(text), html.escape(text, quote=False), text.encode("ascii", "xmlcharrefreplace").decode()),
    }
    for safe in _LEFT_IN_URLS:
        for in_url in (quote(encoded, safe=safe), quote_plus(encoded, safe=safe)):
            forms |= {in_url, in_url.lower()}
    in_html = html.escape(text)
    for double, single in (("&#34;", "&#39;"), ("&quot;", "&apos;"), ("&quot;", "'")):
        forms.add(in_html.replace("&quot;", double).replace("&#x27;", single))
    return forms


_LEFT_IN_URLS: Final = ("", "/", "!*'()", "!#$&'()*+,/:;=?@[]~")
"""What URL escaping leaves unchanged: in the standard library, browsers and HTTP clients."""


def _tagged(tag: str, content: Any) -> Iterator[str]:
    match tag, content:
        case _, {"fields": dict() as fields} if tag in WITH_FIELDS:
            for value in fields.values():
                yield from texts_of(value)
            yield from texts_of([content.get("extra"), content.get("private")])
        case (("document" | "reference"), {"key": key}) | ("lazyref", {"id": key}):
            yield from texts_of(list(key.values()) if isinstance(key, dict) and TAG not in key else key)
        case "dbref", {"id": key, "extra": extra}:
            yield from texts_of([key, extra])
        case "enum", {"name": name}:
            yield from texts_of(name)
        case "class", _:
            return
        case _:
            yield from texts_of(_loaded(tag, content))


def _loaded(tag: str, content: Any) -> Any:
    """Return the value stored as *content* under *tag*, or *content* itself if it is damaged."""
    if tag in _LOADERS:
        with suppress(TypeError, ValueError, ArithmeticError):
            return _LOADERS[tag](content)
    return content


_LOADERS: Final[dict[str, Callable[[Any], object]]] = {
    "decimal": lambda text: Decimal(str(text)),
    "bigint": lambda text: int(str(text), 0),
    "date": date.fromisoformat,
    "time": times.loaded_time,
    "datetime": times.loaded_datetime,
    "timedelta": lambda microseconds: timedelta(microseconds=microseconds),
    "uuid": lambda content: content if isinstance(content, UUID) else UUID(bytes=bytes(content)),
    "binary": lambda content: content[1:],
}


def _number(value: float) -> Iterator[str]:
    try:
        yield str(value)
    except ValueError:  # an integer so long that Python refuses to write it in decimal
        yield hex(value)  # type: ignore[arg-type]  # only integers are refused
        return
    if isinstance(value, int):
        yield from (f"{value:,}".replace(",", separator) for separator in ",_ .'")
        return
    if not isfinite(value):
        return
    yield from (f"{value:,}", f"{value:.2f}", f"{value:,.2f}")
    if value.is_integer():
        yield from _number(int(value))


def _decimal(text: str) -> Iterator[str]:
    yield text
    value = Decimal(text)
    if value.is_finite() and abs(value.adjusted()) < 100:
        yield from (f"{value:f}", f"{value:,f}", f"{value:.2f}", f"{value:,.2f}", str(value.normalize()))


def _bytes(value: bytes) -> Iterator[str]:
    yield from (repr(bytes(value))[2:-1], value.hex(), base64.b64encode(value).decode())
    with suppress(UnicodeDecodeError):
        yield value.decode()
    if len(value) == 16:
        yield from (str(UUID(bytes=bytes(value))), str(int.from_bytes(value)))


def _moment(moment: datetime) -> Iterator[str]:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    with suppress(OverflowError):  # near the ends of the calendar
        yield from _number(aware.timestamp())
        yield str(int(aware.timestamp() * 1000))
        in_utc = aware.astimezone(UTC)
        yield from _wall(in_utc)
    yield from _wall(moment)


def _wall(moment: datetime) -> Iterator[str]:
    """Yield how a local clock would write *moment*; a zone after it reveals nothing more."""
    naive = moment.replace(tzinfo=None, fold=0)
    for separator in "T ":
        for precision in ("auto", "milliseconds", "microseconds", "seconds", "minutes"):
            yield naive.isoformat(separator, precision)
    yield _inner_repr(naive)
    yield naive.ctime()
    yield from _day(naive.date())


def _day(day: date) -> Iterator[str]:
    yield from (day.isoformat(), _inner_repr(day), f"{day:%Y%m%d}", f"{day:%d.%m.%Y}", f"{day:%d/%m/%Y}")
    yield from (f"{day:%m/%d/%Y}", f"{day:%d %b %Y}", f"{day:%d %B %Y}", f"{day:%B} {day.day}, {day.year}")


def _inner_repr(value: object) -> str:
    """Return the text between the quotes or the parentheses of a ``repr``."""
    text = repr(value)
    return text[1:-1] if isinstance(value, str) else text.partition("(")[2][:-1]
