"""The errors of runs as events of Sentry: made where they are raised, and sent once the end of the run is stored."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from mongojobs.core.job import Job, JobId

Clean = Callable[[str], str]
Key = tuple[JobId, str | None]

_OURS: Final = str(Path(__file__).parents[2])
_FRAME: Final = re.compile(r'  File "(.+)", line (\d+), in (.+)')
_SUMMARY: Final = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?", re.DOTALL)
_NEXT_ERROR: Final = re.compile(
    r"\n\n(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):\n\n"
)
_CLEANED: Final = ("exception", "breadcrumbs", "extra", "message")
"""The parts of an event in which texts of the job may be: all but the tags and what the SDK says of itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception as an *event*, the *context* of the run that raised it, and what takes out the job's secrets."""

    context: Context
    event: Any
    hint: Any
    clean: Clean

    def send(self) -> None:
        """Send it as from inside the run."""
        self.context.run(self._send)

    def _send(self) -> None:
        with sentry_sdk.new_scope() as scope:
            # What the run has left behind, such as breadcrumbs, is added to the event only now.
            scope.add_event_processor(lambda event, _hint: _cleaned(event, self.clean))
            scope.capture_event(self.event, hint=self.hint)


class Faults:
    """The errors of runs whose ends are still to be stored."""

    def __init__(self) -> None:
        self._kept: dict[Key, Fault] = {}

    def keep(self, job: Job) -> None:
        """Keep the exception that is being handled, if it is the one that the failed *job* tells of."""
        error, key = sys.exception(), (job.id, job.lock_token)
        if error is None or key in self._kept or not (job.last_error or "").startswith(type(error).__name__):
            return
        event, hint = event_from_exception(
            error, client_options=sentry_sdk.get_client().options, mechanism={"type": "mongojobs", "handled": False}
        )
        for frame in _frames(event):
            if str(frame.get("module")).partition(".")[0] == "mongojobs":
                frame["in_app"] = False
        # A scope of its own keeps the span, which the other one forgets when the run ends.
        with sentry_sdk.new_scope():
            self._kept[key] = Fault(copy_context(), event, hint, _cleaner(job))

    def take(self, job: Job) -> Fault | None:
        """Return what is kept of the run of *job*, and forget it."""
        return self._kept.pop((job.id, job.lock_token), None)


def event_of(*, name: str, error: str, trace: str, reason: str) -> Any:
    """Return the event of a failure of the job called *name* of which there is only text, secrets masked."""
    found = _SUMMARY.fullmatch(error)
    if found is None:  # no exception: the process, or the worker, is gone
        text = f"{name}: {error or reason}"
        return {"level": "error", "message": text, "fingerprint": ["mongojobs", name, reason or "crash"]}
    *causes, last = _NEXT_ERROR.split(trace)
    values = [*map(_of_text, causes), {**_of_text(last), "type": found[1], "value": found[2] or ""}]
    return {"level": "error", "exception": {"values": values}}


def _cleaner(job: Job) -> Clean:
    return str if job.run is None else job.run.recording().clean


def _cleaned(event: Any, clean: Clean) -> Any:
    event.update({part: _clean(event[part], clean) for part in _CLEANED if part in event})
    return event


def _clean(value: Any, clean: Clean) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {key: _clean(one, clean) for key, one in value.items()}
        case list() | tuple():
            return [_clean(one, clean) for one in value]
        case _:
            return value


def _frames(event: Any) -> Iterator[dict[str, Any]]:
    for value in event["exception"]["values"]:
        yield from (value.get("stacktrace") or {}).get("frames", ())


def _of_text(trace: str) -> dict[str, Any]:
    """Return the exception at the end of a traceback that was written, with its frames."""
    lines = trace.split("\n")
    frames = [
        _frame(found, lines[at + 1 : at + 2]) for at, line in enumerate(lines) if (found := _FRAME.fullmatch(line))
    ]
    ends = [line for line in lines if line and not line.startswith(" ")]
    kind, _, value = (ends[-1] if ends else "").partition(": ")
    stack = {"stacktrace": {"frames": frames}} if frames else {}
    return {"type": kind, "value": value, "mechanism": {"type": "mongojobs", "handled": False}, **stack}


def _frame(found: re.Match[str], following: list[str]) -> dict[str, Any]:
    path, number, function = found.groups()
    frame: dict[str, Any] = {
        "filename": path,
        "abs_path": path,
        "lineno": int(number),
        "function": function,
        **({"in_app": False} if path.startswith(_OURS) else {}),
    }
    if following and following[0].startswith("    "):
        frame["context_line"] = following[0].strip()
    return frame
