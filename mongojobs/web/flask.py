"""For Flask: access for users of Flask-Login, and of Flask-Security, which is built on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import Forbidden
from werkzeug.routing import BuildError
from werkzeug.wrappers import Request

from mongojobs.web.auth import Authenticate, NotLoggedInError, User


def flask_login(app: Any, *, is_viewer: Callable[[Any], bool], is_operator: Callable[[Any], bool]) -> Authenticate:
    """Return an *auth* for ``wsgi_app`` that asks the Flask-Login of *app* who is logged in.

    *is_viewer* and *is_operator* are given that user; who is neither is refused. Who is not logged in is led to the
    ``login_view`` of Flask-Login or to the login of Flask-Security, if there is one.
    """

    def authenticate(request: Request) -> User | None:
        from flask_login import current_user  # noqa: PLC0415 - only here is it needed

        with app.request_context(request.environ):
            user = current_user._get_current_object()
            if not user.is_authenticated:
                raise NotLoggedInError(_login_url(app))
            if is_operator(user):
                return User(str(user.get_id()), role="operator")
            if is_viewer(user):
                return User(str(user.get_id()))
            raise Forbidden("You may not see this.")

    return authenticate


def _login_url(app: Any) -> str | None:
    """Return the address of the site's login, below the site itself, not below the dashboard."""
    view = app.login_manager.login_view
    if not view and "security" in app.extensions:
        view = f"{app.config['SECURITY_BLUEPRINT_NAME']}.login"
    if not view or view.startswith(("/", "http://", "https://")):
        return view or None
    try:
        return str(app.url_map.bind("localhost", script_name=app.config["APPLICATION_ROOT"]).build(view))
    except BuildError:
        return None
