"""The worker of an app."""

from __future__ import annotations

from typing import Any

from mongojobs.app.mongojobs import MongoJobs, default_app
from mongojobs.worker import loop


class Worker(loop.Worker):
    """Works off the jobs of an app: of *app*, or of the default one.

    Takes the fields of ``Settings`` for this worker alone: ``Worker(queues="mail", threads=4).start()``. Raises
    SettingsError.
    """

    def __init__(self, *, app: MongoJobs | None = None, **settings: Any) -> None:
        owner = app or default_app()
        chosen = owner.settings.changed(**settings)
        super().__init__(
            connect=lambda: owner.connect_worker(chosen),
            payloads=owner.payloads,
            lifecycle=owner.lifecycle,
            settings=chosen,
        )
