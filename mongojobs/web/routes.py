"""Which address leads to which view, and which pages the menu shows."""

from __future__ import annotations

from typing import Final

from werkzeug.routing import Map, Rule

from mongojobs.web.context import View
from mongojobs.web.pages import (
    again,
    changes,
    failures,
    job,
    jobs,
    overview,
    performance,
    queues,
    schedule,
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
    "again": ("/job/again", again.ask),
    "failures": ("/failures", failures.show),
    "queues": ("/queues", queues.show),
    "schedules": ("/schedules", schedules.show),
    "schedule": ("/schedule", schedule.show),
    "workers": ("/workers", workers.show),
    "performance": ("/performance", performance.show),
    "system": ("/system", system.show),
    "static": ("/static/<path:name>", static.show),
}
_CHANGE: Final[dict[str, tuple[str, View]]] = {
    "change_jobs": ("/jobs/change", changes.change),
    "change_job": ("/job/change", job.change),
    "run_again": ("/job/run-again", again.change),
    "change_queue": ("/queues/change", queues.change),
    "change_schedule": ("/schedule/change", schedule.change),
    "change_workers": ("/workers/change", workers.change),
}

ROUTES: Final = Map(
    [
        *(Rule(path, endpoint=endpoint, methods=["GET"]) for endpoint, (path, _) in _LOOK.items()),
        *(Rule(path, endpoint=endpoint, methods=["POST"]) for endpoint, (path, _) in _CHANGE.items()),
    ]
)
VIEWS: Final[dict[str, View]] = {endpoint: view for endpoint, (_, view) in (_LOOK | _CHANGE).items()}

MENU: Final = {
    "Overview": ("overview",),
    "Jobs": ("jobs", "job", "again", "run_again", "change_job", "change_jobs"),
    "Failures": ("failures",),
    "Queues": ("queues",),
    "Schedules": ("schedules", "schedule", "change_schedule"),
    "Workers": ("workers",),
    "Performance": ("performance",),
    "System": ("system",),
}
"""The pages of the menu, in order: where the label leads, and the endpoints that belong to that page."""
