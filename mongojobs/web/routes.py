"""Which address leads to which view, and which pages the menu shows."""

from __future__ import annotations

from typing import Final

from werkzeug.routing import Map, Rule

from mongojobs.web.context import View
from mongojobs.web.pages import (
    again,
    backfill,
    changes,
    failures,
    job,
    jobs,
    overview,
    performance,
    queues,
    schedule,
    schedule_form,
    schedules,
    static,
    system,
    workers,
)

_LOOK: Final[dict[str, tuple[str, View]]] = {
    "overview": ("/", overview.show),
    "jobs": ("/jobs", jobs.show),
    "known": ("/jobs/known", jobs.known),
    "job": ("/job", job.show),
    "failures": ("/failures", failures.show),
    "queues": ("/queues", queues.show),
    "schedules": ("/schedules", schedules.show),
    "schedule": ("/schedule", schedule.show),
    "workers": ("/workers", workers.show),
    "performance": ("/performance", performance.show),
    "system": ("/system", system.show),
    "static": ("/static/<path:name>", static.show),
}
_ASK: Final[dict[str, tuple[str, View]]] = {
    "again": ("/job/again", again.ask),
    "edit_schedule": ("/schedule/edit", schedule_form.edit),
    "new_schedule": ("/schedules/add", schedule_form.new),
    "backfill": ("/schedule/backfill", backfill.ask),
}
"""The pages with nothing but a form."""
_CHANGE: Final[dict[str, tuple[str, View]]] = {
    "change_jobs": ("/jobs/change", changes.change),
    "change_job": ("/job/change", job.change),
    "run_again": ("/job/run-again", again.change),
    "change_queue": ("/queues/change", queues.change),
    "change_schedule": ("/schedule/change", schedule.change),
    "save_schedule": ("/schedule/edit/change", schedule_form.change),
    "add_schedule": ("/schedules/add/change", schedule_form.add),
    "run_backfill": ("/schedule/backfill/change", backfill.change),
    "change_workers": ("/workers/change", workers.change),
}

ROUTES: Final = Map(
    [
        *(Rule(path, endpoint=endpoint, methods=["GET"]) for endpoint, (path, _) in (_LOOK | _ASK).items()),
        *(Rule(path, endpoint=endpoint, methods=["POST"]) for endpoint, (path, _) in _CHANGE.items()),
    ]
)
VIEWS: Final[dict[str, View]] = {endpoint: view for endpoint, (_, view) in (_LOOK | _ASK | _CHANGE).items()}
FOR_OPERATORS: Final = frozenset(_ASK | _CHANGE)
"""What viewers are refused."""

MENU: Final[dict[str, tuple[str, ...]]] = {
    "Overview": ("overview",),
    "Jobs": ("jobs", "job", "again", "run_again", "change_job", "change_jobs"),
    "Failures": ("failures",),
    "Queues": ("queues",),
    "Schedules": (
        *("schedules", "schedule", "change_schedule", "edit_schedule", "save_schedule"),
        *("new_schedule", "add_schedule", "backfill", "run_backfill"),
    ),
    "Workers": ("workers",),
    "Performance": ("performance",),
    "System": ("system",),
}
"""The pages of the menu, in order: where the label leads, and the endpoints that belong to that page."""
