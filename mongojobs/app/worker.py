"""The worker of an app."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from mongojobs.app.mongojobs import MongoJobs, default_app
from mongojobs.app.scheduling import ticks_of
from mongojobs.core.errors import ConfigurationError, SettingsError
from mongojobs.core.words.naming import public
from mongojobs.process.supervisor import ChildCommand
from mongojobs.worker.worker import JobWorker


@public
class Worker(JobWorker):
    """Works off the jobs of *app*, or of the default app.

    Takes the fields of ``Settings`` for this worker alone: ``Worker(queues="mail", threads=4).start()``. Imports what
    the setting ``imports`` names. Raises SettingsError, ConfigurationError. *child* is the command that starts a child
    for ``executor="process"``; the command line knows it.
    """

    def __init__(self, *, app: MongoJobs | None = None, child: ChildCommand | None = None, **settings: Any) -> None:
        owner = app or default_app()
        chosen = owner.settings.changed(**settings) if settings else owner.settings
        for module in chosen.imports:
            _import(module)
        if chosen.executor == "process" and child is None:
            raise SettingsError(
                "executor is process, but a worker created in Python does not know which module its children should"
                " import: start it with `mongojobs --app MODULE work --executor process`, or pass executor='thread'",
                setting="executor",
            )
        super().__init__(
            child=child if chosen.executor == "process" else None,
            connect=partial(owner.connect_worker, chosen),
            payloads=owner.payloads,
            lifecycle=owner.lifecycle,
            settings=chosen,
            make_ticks=partial(ticks_of, owner),
        )


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"cannot import {module}, which imports names: {error.msg}") from error
