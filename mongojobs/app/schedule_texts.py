"""The options of a schedule as texts: what a form shows of them, and what it makes of those that were typed.

A text becomes a value of the right type, if it can; whether the value will do is for the schedule to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from mongojobs.core.errors import DeserializationError
from mongojobs.core.fields import kind_of
from mongojobs.core.words.durations import format_duration
from mongojobs.enqueuing.options import OPTIONS, Options
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.masking import MASK
from mongojobs.payload.show import show_value
from mongojobs.schedules.declared import NOT_OF_TICKS
from mongojobs.schedules.definition import CatchUp, Overlap
from mongojobs.schedules.schedule import Schedule
from mongojobs.schedules.times.zones import instant
from mongojobs.unique.checks import Keep, OnDuplicate, Until
from mongojobs.unique.terms import NAMES as UNIQUE_OPTIONS

Part = Literal["times", "ticks", "jobs", "key"]

LONGEST_TEXT: Final = 1000
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_NEVER_OF_TICKS: Final = {*NOT_OF_TICKS, "unique", "debounce", "max_wait"}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "on_duplicate": get_args(OnDuplicate),
    "keep": get_args(Keep),
    "unique_until": get_args(Until),
}

_WRITTEN: Final = {
    "tuple[str, ...]": ", with commas between them",
    "Mapping[str, Any]": ", as a JSON object",
    "timedelta": ", such as 15m",
    "Bytes": ", such as 64k",
}
"""How options of a kind are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOption:
    """An option that can be typed, or chosen from *choices*; *unsaid* is what applies without it.

    *kind* is its annotation, which says how it is written.
    """

    name: str
    label: str
    text: str
    part: Part
    kind: str = "str"
    choices: tuple[str, ...] = ()
    unsaid: str = ""


def _of_schedules() -> Iterator[TextOption]:
    def of(part: Part, name: str, text: str, **more: Any) -> TextOption:
        return TextOption(name=name, label=_label(name), text=text, part=part, **more)

    yield of("times", "when", "cron such as 0 9 * * mon-fri, a duration such as 15m, or words such as weekday at 9:00")
    yield of("times", "tz", "in which cron and words are read, such as Europe/Athens", unsaid="UTC")
    yield of("times", "starts", "no ticks before, in its zone", kind="datetime")
    yield of("times", "ends", "no ticks after, in its zone", kind="datetime")
    yield of("times", "times", "how many ticks become jobs in all", kind="int", unsaid="any number")
    yield of("times", "description", "what it is for")
    text = "what to do with a tick while an earlier job waits or runs; default: skip it"
    yield of("ticks", "overlap", text, choices=get_args(Overlap), unsaid="default")
    text = "which ticks to catch up that fell due while no worker was running; default: the latest"
    yield of("ticks", "catch_up", text, choices=get_args(CatchUp), unsaid="default")
    yield of("ticks", "window", "how late a tick may still be caught up", unsaid="1d")
    yield of("ticks", "jitter", "up to how long each job waits after its tick", unsaid="0s")
    text = "with interval, a job that has not started by the next tick is cancelled"
    yield of("ticks", "expires", text, choices=("interval",), unsaid="never")


def _of_enqueues() -> Iterator[TextOption]:
    for field in fields(Options):
        if field.name not in _NEVER_OF_TICKS:
            yield TextOption(
                name=field.name,
                label=_label(field.name),
                text=OPTIONS[field.name].text + _WRITTEN.get(kind_of(field), ""),
                part="key" if field.name in UNIQUE_OPTIONS else "jobs",
                kind=kind_of(field),
                choices=_CHOICES.get(field.name, ()),
                unsaid="as declared",
            )


def _label(name: str) -> str:
    return "Time zone" if name == "tz" else name.replace("_", " ").capitalize()


TEXT_OPTIONS: Final = (*_of_schedules(), *_of_enqueues())
"""The options that a schedule can be given in a form, in order."""


def texts_of(schedule: Schedule, payloads: Payloads) -> dict[str, str | None]:
    """Return what is said of *schedule*, by option, as it is typed; None for what no text can or may say.

    Raises ScheduleError for a damaged one.
    """
    said = schedule.said
    of_it: dict[str, Any] = {field.name: getattr(said, field.name) for field in fields(said)}
    of_it |= {"when": said.due.text, "tz": said.tz.key}
    texts = {name: _text(value, said.tz) for name, value in of_it.items()}
    return texts | {name: _stored_text(name, value, payloads, said.tz) for name, value in schedule.options.items()}


def value_of(option: TextOption, text: str, zone: ZoneInfo) -> object:
    """Return what was typed as a value of the option's type; as it is where it cannot be one, and None for nothing.

    A time without a zone is one in *zone*.
    """
    if not text and option.name != "when":
        return None
    match option.kind:
        case "int":
            return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
        case "datetime":
            return moment_of(text, zone)
        case "tuple[str, ...]":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case "Mapping[str, Any]":
            return _json_of(text)
        case _:
            return text


def moment_of(text: str, zone: ZoneInfo) -> datetime | str:
    """Return the time that was typed, in *zone* if it names none; *text* where it is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return instant(moment, zone) if moment.tzinfo is None else moment
    except (ValueError, OverflowError):
        return text


def _json_of(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _stored_text(name: str, stored: object, payloads: Payloads, zone: ZoneInfo) -> str | None:
    if MASK in show_value({name: stored}):
        return None
    try:
        return _text(payloads.codec.decode(stored), zone)
    except DeserializationError:
        return None


def _text(value: object, zone: ZoneInfo) -> str | None:
    try:
        text = _written(value, zone)
    except OverflowError:  # a time at the end of the calendar
        return None
    return text if text is not None and len(text) <= LONGEST_TEXT and text.isprintable() else None


def _written(value: object, zone: ZoneInfo) -> str | None:
    match value:
        case None:
            return ""
        case timedelta():
            return format_duration(value)
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%dT%H:%M:%S}"
        case tuple() | list():
            return None if any("," in str(item) for item in value) else ", ".join(map(str, value))
        case Mapping():
            return _as_json(value)
        case _:
            return str(value)


def _as_json(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
