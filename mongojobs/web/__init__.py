"""The dashboard: what the jobs, queues and workers do, and what an operator may do with them, as a web application.

It needs the extra ``web``: ``pip install mongojobs[web]``. ``mongojobs web`` serves it on its own, and ``wsgi_app``
makes it part of the app's own site.

- ``app``: the WSGI application
- ``routes``: which address leads to which view
- ``pages``: the views
- ``context``: one request, and what a page may ask
- ``render``: templates
- ``wording``: values in words
- ``search``: what people type to find jobs
- ``charts``: columns of statistics
- ``cache``: answers that are kept for a few seconds
- ``ids``: the ids of jobs in addresses
- ``arguments``: the arguments of a call in a form
- ``auth``: users, basic authentication, the site's login
- ``security``: keeps other sites out
- ``serving``: ``mongojobs web``
- ``flask``: for Flask
- ``django``: for Django
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from mongojobs.core.errors import ExtraMissingError

if TYPE_CHECKING:
    from mongojobs.web.app import Dashboard, wsgi_app
    from mongojobs.web.auth import BasicAuth, NotLoggedInError, User

__all__ = ["BasicAuth", "Dashboard", "NotLoggedInError", "User", "wsgi_app"]

_HOMES = {
    "BasicAuth": "mongojobs.web.auth",
    "Dashboard": "mongojobs.web.app",
    "NotLoggedInError": "mongojobs.web.auth",
    "User": "mongojobs.web.auth",
    "wsgi_app": "mongojobs.web.app",
}


def __getattr__(name: str) -> object:
    """Import *name* when it is first asked for. Raises ExtraMissingError without the extra."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_extra()
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def check_extra() -> None:
    """Raise ExtraMissingError unless the packages of the extra ``web`` are installed."""
    missing = [package for package in ("jinja2", "werkzeug") if importlib.util.find_spec(package) is None]
    if missing:
        raise ExtraMissingError(
            f"the dashboard needs {' and '.join(missing)}, which the extra web brings: pip install 'mongojobs[web]'"
        )
