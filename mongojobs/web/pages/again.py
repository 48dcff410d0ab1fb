"""Running a job again once it has ended, perhaps with other arguments.

What is masked is not shown here either, and stays as it was. But it goes nowhere else than before: whoever changes
another argument, which may be where a secret is sent, must give the masked ones anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.app.run_again import Place, run_again
from mongojobs.core.errors import EnqueueError
from mongojobs.core.job import Job
from mongojobs.payload.masking import MASK
from mongojobs.payload.show import ShownCall, show_call
from mongojobs.payload.values.encode import TAG
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of
from mongojobs.web.pages.job import job_of

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


def ask(visit: RequestContext) -> Page:
    """Ask for the arguments."""
    return _form(visit, job_of(visit))


def change(visit: RequestContext) -> Page | Response:
    """Enqueue the job."""
    job = job_of(visit)
    call, fields = _fields(job, visit)
    try:
        changed = _changed(fields, visit)
        made = run_again(visit.app, job, changed=changed)
    except (BadRequest, EnqueueError) as error:
        text = str(error.description if isinstance(error, BadRequest) else error)
        return _form(visit, job, problem=call.clean(text))
    names = [field.name for field in fields if field.place in changed]
    visit.done("run again", target={"ids": [str(job.id)], "as": str(made.id), "changed": names})
    return visit.go("job", id=key_of(made.id), did="again", n=1)


def _form(visit: RequestContext, job: Job, *, problem: str = "") -> Page:
    call, fields = _fields(job, visit)
    typed = {field.key: visit.request.form[field.key] for field in fields if field.key in visit.request.form}
    values = {
        "job": job,
        "key": key_of(job.id),
        "call": call,
        "fields": fields,
        "typed": typed,
        "problem": problem,
        "longest": LONGEST_ARGUMENT,
    }
    return Page("again.html", values, status=400 if problem else 200)


def _fields(job: Job, visit: RequestContext) -> tuple[ShownCall, list[Field]]:
    """Return the call of *job* and its editable fields: none if arguments are hidden, or too many."""
    call, stored = show_call(job.handler, visit.app.payloads), list(_stored(job.handler))
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


def _changed(fields: list[Field], visit: RequestContext) -> dict[Place, object]:
    """Return the changed arguments. Raises BadRequest."""
    changed: dict[Place, object] = {}
    for field in fields:
        text = visit.request.form.get(field.key, "").strip() if field.can_be_edited else ""
        if text and text != field.json:
            changed[field.place] = _read(field, text)
    kept = [field.name for field in fields if field.is_masked and field.place not in changed]
    if changed and kept:
        raise BadRequest(f"To change an argument, enter the masked ones again: {', '.join(kept)}.")
    return changed


def _read(field: Field, text: str) -> object:
    if len(text) > LONGEST_ARGUMENT:
        raise BadRequest(f"{field.name} is longer than {LONGEST_ARGUMENT} characters.")
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadRequest(
            f'{field.name} must be written as JSON, such as 7, "a text", true, null or ["a list"].'
        ) from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
