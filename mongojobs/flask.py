"""For Flask: settings from ``app.config``, jobs inside of the app's context, and ``flask mongojobs``.

It needs the extra ``flask``: ``pip install "mongojobs[flask]"``. For the dashboard there is ``mongojobs.web.flask``.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from mongojobs.app import configure, default_app
from mongojobs.cli.main import mongojobs as command_line
from mongojobs.cli.shared.importing import OF_FLASK
from mongojobs.core.errors import ExtraMissingError, SettingsError
from mongojobs.core.lifecycle import Plugin
from mongojobs.core.settings import Settings
from mongojobs.core.settings.sources import ENVIRONMENT_PREFIX as PREFIX
from mongojobs.enqueuing import current
from mongojobs.plugins.app_context import AppContext

try:
    from flask import Flask, current_app, has_app_context
    from flask.cli import ScriptInfo, pass_script_info, with_appcontext
except ImportError:
    raise ExtraMissingError.of("flask", "mongojobs.flask") from None

if TYPE_CHECKING:
    from mongojobs.enqueuing.enqueuer import Enqueuer

NAME: Final = "mongojobs"
"""The key in ``app.extensions``, and the name of the command."""


class MongoJobs:
    """The extension: ``MongoJobs(app)`` or, with a factory, ``jobs = MongoJobs()`` and ``jobs.init_app(app)`` in it.

    *plugins* are those of ``mongojobs.configure``, which it stands for.
    """

    def __init__(self, app: Flask | None = None, *, plugins: Iterable[Plugin | type[Plugin]] = ()) -> None:
        self._plugins = tuple(plugins)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make ``app.extensions["mongojobs"]``, by the settings ``MONGOJOBS_...`` in ``app.config``.

        It is the default app until another one is made, and enqueues what is enqueued in the context of *app*. Raises
        SettingsError.
        """
        values = _settings(app)
        app.extensions[NAME] = configure(plugins=[AppContext(app.app_context), *self._plugins], **values)
        current.provide(_enqueuer)
        app.cli.add_command(_command())


def load_app() -> Flask:
    """Return the app that the ``flask`` command has loaded; in processes that it has started, load the same."""
    if not has_app_context():
        return ScriptInfo(os.environ.get("FLASK_APP")).load_app()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's own
    return app


def _enqueuer() -> Enqueuer:
    here = current_app.extensions.get(NAME) if has_app_context() else None
    enqueuer: Enqueuer = (here or default_app()).enqueuer
    return enqueuer


def _settings(app: Flask) -> dict[str, Any]:
    """Return the settings in the config of *app*, checked."""
    if NAME.upper() in app.config:
        raise SettingsError(
            f"app.config[{NAME.upper()!r}] is not read: write each setting as a key of its own, such as"
            f" {PREFIX}MAX_ATTEMPTS = 5",
            setting=NAME,
        )
    values = {key.removeprefix(PREFIX).lower(): value for key, value in app.config.items() if key.startswith(PREFIX)}
    try:
        Settings().changed(**values)
    except SettingsError as error:
        key = f"{PREFIX}{str(error.setting).upper()}"
        raise SettingsError(f"app.config[{key!r}]: {error}", setting=error.setting) from None
    return values


def _command() -> Any:
    """Return the command line as a command of Flask's: the app is the one that this has loaded."""
    command = copy.copy(command_line)
    command.context_settings = {**command.context_settings, "default_map": {"app": OF_FLASK}}
    command.callback = with_appcontext(_begin)
    return command


@pass_script_info
def _begin(info: ScriptInfo, /, **values: Any) -> None:
    """Begin the command line; let the processes to come find the app that ``flask --app`` named."""
    if info.app_import_path:
        os.environ["FLASK_APP"] = info.app_import_path
    command_line.callback(**values)  # type: ignore[misc]  # a group of ours has one
