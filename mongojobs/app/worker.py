"""The worker of an app."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from mongojobs.app.mongojobs import MongoJobs, default_app, is_default
from mongojobs.app.scheduling import ticks_of
from mongojobs.core.errors import ConfigurationError, SettingsError
from mongojobs.core.words.naming import public
from mongojobs.plugins.app_context import AppContext
from mongojobs.process.supervisor import ChildCommand
from mongojobs.worker.worker import JobWorker


@public
class Worker(JobWorker):
    """Works off the jobs of *app*, or of the default app; what they enqueue goes there too.

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
        if app is not None and not is_default(app):
            _keep_enqueues(app)
        super().__init__(
            child=child if chosen.executor == "process" else None,
            connect=partial(owner.connect_worker, chosen),
            payloads=owner.payloads,
            lifecycle=owner.lifecycle,
            settings=chosen,
            make_ticks=partial(ticks_of, owner),
        )


def _keep_enqueues(owner: MongoJobs) -> None:
    """Let the jobs of *owner* enqueue there, though another app is the default one; those of a Flask app do."""
    if not any(isinstance(plugin, AppContext) for plugin in owner.plugins):
        plugin = AppContext(owner.active)
        owner.plugins.append(plugin)
        plugin.register(owner.lifecycle)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"cannot import {module}, which imports names: {error.msg}") from error
