"""Changing what is said of a schedule, and adding one: a form with all options, checked as on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Response

from mongojobs.app.run_again import with_arguments
from mongojobs.app.schedule_texts import LONGEST_TEXT, TEXT_OPTIONS, TextOption, texts_of, value_of
from mongojobs.core.errors import DeserializationError, EnqueueError, NotAJobError, OptionError, ScheduleError
from mongojobs.payload.calls.handler import Call, declared_call
from mongojobs.payload.show import ShownCall
from mongojobs.schedules.schedule import Schedule
from mongojobs.schedules.times.zones import zone_called
from mongojobs.web.arguments import LONGEST_ARGUMENT, Field, changed_in, fields_of, typed_in
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.pages.schedule import report_of

_HIDDEN_WITH_ARGUMENTS: Final = ("meta", "unique_key")
_PARTS: Final = {"times": "When it is due", "ticks": "Its ticks", "jobs": "Each job", "key": "Its unique key"}
_NEW: Final = ("name", "job", "args", "kwargs")


@dataclass(frozen=True, slots=True)
class Entry:
    """An option in the form: what it *was* as a text, None where none can say it, and what is typed now."""

    option: TextOption
    was: str | None
    typed: str


def edit(visit: RequestContext) -> Page:
    """Show what is said of a schedule, to be changed."""
    return _editing(visit, report_of(visit).schedule)


def change(visit: RequestContext) -> Page | Response:
    """Change what was typed anew."""
    schedule = report_of(visit).schedule
    call, fields = _arguments(visit, schedule)
    try:
        said, changed = _said(visit, _entries(visit, schedule)), changed_in(fields, visit)
        names = [*said, *(field.name for field in fields if field.place in changed)]
        if changed:
            made = visit.app.payloads.load(with_arguments(schedule.handler, changed, visit.app.payloads))
            said |= {"args": getattr(made, "args", ()), "kwargs": getattr(made, "kwargs", {})}
        visit.app.schedule_of(schedule.name).edit(by=visit.user.name, **said)
    except (ScheduleError, EnqueueError, DeserializationError) as error:
        return _editing(visit, schedule, call.clean(str(error)), getattr(error, "option", ""))
    visit.done("edit schedule", target={"schedule": schedule.name, "changed": names})
    return visit.go("schedule", name=schedule.name, did="edit-schedule", n=1)


def new(visit: RequestContext) -> Page:
    """Ask for a schedule to add."""
    return _adding(visit)


def add(visit: RequestContext) -> Page | Response:
    """Add it."""
    name, said = visit.text("name"), _said(visit, _entries(visit))
    if visit.app.schedule_store.get(name) is not None:
        return _adding(visit, f"there is a schedule called {name!r} already: edit that one", "name")
    try:
        visit.app.schedule(name, _call(visit), every=said.pop("when", ""), by=visit.user.name, **said)
    except (ScheduleError, EnqueueError, DeserializationError) as error:
        return _adding(visit, str(error), getattr(error, "option", ""))
    visit.done("add schedule", target={"schedule": name, "job": visit.text("job")})
    return visit.go("schedule", name=name, did="add-schedule", n=1)


def _editing(visit: RequestContext, schedule: Schedule, problem: str = "", wrong: str = "") -> Page:
    call, fields = _arguments(visit, schedule)
    values = {
        "schedule": schedule,
        "call": call,
        "fields": fields,
        "typed": typed_in(fields, visit),
        "longest_argument": LONGEST_ARGUMENT,
    }
    return _form(visit, _entries(visit, schedule), values, problem, wrong)


def _adding(visit: RequestContext, problem: str = "", wrong: str = "") -> Page:
    registry = visit.app.payloads.codec.registry
    declared = sorted(declaration.name for declaration in (*registry.functions(), *registry.objects()))
    values = {"schedule": None, "declared": declared, "typed": {name: visit.text(name) for name in _NEW}}
    return _form(visit, _entries(visit), values, problem, wrong)


def _form(
    visit: RequestContext, entries: Sequence[Entry], values: Mapping[str, object], problem: str, wrong: str
) -> Page:
    """Return the form; a *problem* stands beside the option that is *wrong*, or above all."""
    parts = {text: [entry for entry in entries if entry.option.part == part] for part, text in _PARTS.items()}
    more = {
        "parts_of_it": parts,
        "problem": problem,
        "wrong": wrong,
        "is_beside": wrong in visit.request.form,
        "longest": LONGEST_TEXT,
    }
    return Page("schedule_form.html", {**values, **more}, status=400 if problem else 200)


def _entries(visit: RequestContext, schedule: Schedule | None = None) -> list[Entry]:
    """Return what can be typed: as it is said of *schedule*, unless the form says what it was and what it is to be."""
    options = [one for one in TEXT_OPTIONS if visit.show_arguments or one.name not in _HIDDEN_WITH_ARGUMENTS]
    texts = {} if schedule is None else texts_of(schedule, visit.app.payloads)
    return [_entry(visit, option, texts.get(option.name, "")) for option in options]


def _entry(visit: RequestContext, option: TextOption, text: str | None) -> Entry:
    if text is None or visit.request.method != "POST":
        return Entry(option, text, text or "")
    return Entry(option, visit.text(f"was-{option.name}"), visit.text(option.name))


def _said(visit: RequestContext, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what was typed other than it was, by option."""
    zone = _zone(visit.text("tz"))
    changed = [entry for entry in entries if entry.was is not None and entry.typed != entry.was]
    return {entry.option.name: value_of(entry.option, entry.typed, zone) for entry in changed}


def _zone(name: str) -> ZoneInfo:
    """Return the zone called *name*; UTC where there is none, which is refused where all else is checked."""
    try:
        return zone_called(name or "UTC")
    except ScheduleError:
        return zone_called("UTC")


def _arguments(visit: RequestContext, schedule: Schedule) -> tuple[ShownCall, list[Field]]:
    """Return the call of the jobs of *schedule* and its arguments; those of an object only its class can make."""
    call, fields = fields_of(schedule.handler, visit)
    return call, [] if call.kind == "object" else fields


def _call(visit: RequestContext) -> Call:
    """Return the call of the job that the form names. Raises EnqueueError."""
    try:
        declaration = visit.app.payloads.codec.registry.named(visit.text("job"))
    except NotAJobError as error:
        raise OptionError(str(error), option="job") from error
    args, kwargs = _json(visit, "args", list), _json(visit, "kwargs", dict)
    try:
        return declared_call(declaration, args, kwargs)
    except EnqueueError as error:
        raise OptionError(str(error), option="args") from error


def _json(visit: RequestContext, name: str, kind: type) -> Any:
    text = visit.text(name)
    try:
        value = json.loads(text) if text else kind()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        what = 'a list, such as [7, "a text"]' if kind is list else 'an object, such as {"order_id": 7}'
        raise OptionError(f"{name} must be written as JSON: {what}, got {text!r:.200}", option=name)
    return value
