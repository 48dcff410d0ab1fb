"""For Flask: who is logged in by Flask-Login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request

from mongojobs.web.access import Authenticate, User


def flask_login(app: Any, *, is_viewer: Callable[[Any], bool], is_operator: Callable[[Any], bool]) -> Authenticate:
    """Return an *auth* for ``wsgi_app`` that asks Flask-Login of *app* who is logged in.

    *is_viewer* and *is_operator* are given that user; who is neither is refused.
    """

    def authenticate(request: Request) -> User | None:
        from flask_login import current_user  # noqa: PLC0415 - only here is it needed

        with app.request_context(request.environ):
            user = current_user._get_current_object()
            if not user.is_authenticated:
                return None
            if is_operator(user):
                return User(str(user.get_id()), role="operator")
            return User(str(user.get_id())) if is_viewer(user) else None

    return authenticate
