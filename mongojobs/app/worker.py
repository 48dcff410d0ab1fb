"""The worker of an app."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from mongojobs.app.mongojobs import MongoJobs, default_app, is_default
from mongojobs.app.scheduling import ticks_of
from mongojobs.core.errors import ConfigurationError, SettingsError
from mongojobs.core.settings import Settings
from mongojobs.core.words.naming import public
from mongojobs.plugins.app_context import AppContext
from mongojobs.process.supervisor import ChildCommand
from mongojobs.worker.worker import JobWorker

_OF_THE_COMMAND: Final = {
    "processes": "it is one process: start `mongojobs work --processes N`",
    "boot_timeout": "it has no children to start: start `mongojobs work --executor process`",
    **dict.fromkeys(("log_level", "log_format", "quiet"), "it sets up no log: use Python's logging module"),
}
"""The settings that a worker made in Python has no use for, and why."""
_OF_THE_APP: Final = (
    *("uri", "database", "db_alias", "switched_databases", "switched_collections", "max_payload_bytes", "delay_jobs"),
    *("default_queue_name", "default_priority", "queue_attributes", "on_failure", "log_tracebacks"),
)
"""The settings that a worker shares with all that its app does."""


@public
class Worker(JobWorker):
    """Works off the jobs of *app*, or of the default app; what they enqueue goes there too.

    Takes the fields of ``Settings`` for this worker alone: ``Worker(queues="mail", threads=4).start()``, but for those
    that it cannot have for itself. Imports what the setting ``imports`` names. *child* is the command that starts a
    child for ``executor="process"``; the command line knows it. Raises SettingsError, ConfigurationError.
    """

    def __init__(self, *, app: MongoJobs | None = None, child: ChildCommand | None = None, **settings: Any) -> None:
        owner = app or default_app()
        chosen = owner.settings
        if settings:
            chosen = chosen.changed(**settings)
            _refuse_unheard(settings, chosen, owner.settings)
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


def _refuse_unheard(given: Mapping[str, object], chosen: Settings, of_app: Settings) -> None:
    """Raise SettingsError for the first of those *given* that would change nothing.

    What the app has from its surroundings is meant for the command as well, and no fault here.
    """
    for name in given:
        value, default = getattr(chosen, name), Settings.__dataclass_fields__[name].metadata["default"]
        if name in _OF_THE_COMMAND and value != default:
            why = f"is for the command, and a worker created in Python ignores it, as {_OF_THE_COMMAND[name]}"
        elif name in _OF_THE_APP and value != getattr(of_app, name):
            why = f"is for the whole app, not for one worker: give it to `mongojobs.configure({name}=...)`"
        else:
            continue
        shown = "a URI" if name == "uri" else repr(value)
        raise SettingsError(f"{name} {why}, got {shown:.200}", setting=name)


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
