"""Apps of Flask among those that ``--app`` names, recognised without a need for Flask."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Final

from mongojobs.app import MongoJobs
from mongojobs.core.lifecycle import Plugin
from mongojobs.plugins.app_context import AppContext

FACTORIES: Final = ("create_app", "make_app")
"""What factories are called. Source: Flask, "Application Discovery"."""


def extension_of(target: object) -> MongoJobs | None:
    """Return what ``mongojobs.flask`` has added to *target*; None if that is no app of Flask, or has none."""
    found = target.extensions.get("mongojobs") if _is_flask(target) else None  # type: ignore[attr-defined]  # all have
    return found if isinstance(found, MongoJobs) else None


def advice_on(target: object, spec: str, plugins: Iterable[Plugin]) -> str | None:
    """Return what to do so that jobs run in the context of the app of Flask that *spec* must have meant, if any."""
    if any(isinstance(plugin, AppContext) for plugin in plugins):
        return None
    if _is_flask(target):
        return (
            f"{spec} is a Flask app without mongojobs.flask.MongoJobs(app): jobs run outside of its app context, and"
            " settings in app.config are not read"
        )
    if isinstance(target, ModuleType) and "flask" in sys.modules:
        return next((_not_called(spec, name) for name in FACTORIES if inspect.isfunction(vars(target).get(name))), None)
    return None


def _not_called(spec: str, name: str) -> str:
    return f"{spec} has a factory, which --app {spec} does not call: --app {spec}:{name} does"


def _is_flask(target: object) -> bool:
    flask = sys.modules.get("flask")
    return flask is not None and isinstance(target, flask.Flask)
