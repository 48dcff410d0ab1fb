"""For Django on WSGI or ASGI: a view, and access for logged-in staff."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from werkzeug.exceptions import Forbidden
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request

from mongojobs.web.app import wsgi_app
from mongojobs.web.auth import Authenticate, NotLoggedInError, User

OPERATE: Final = "mongojobs.operate"
"""The permission to make changes."""
_REQUEST: Final = "mongojobs.django_request"
_views: Final[list[Callable[..., Any]]] = []
"""Those that were made, the last of which the admin leads to."""


def staff(request: Request) -> User | None:
    """Return the user of Django's own login: staff may look, and those with ``mongojobs.operate`` make changes.

    Superusers have all permissions; others can be given this one where ``mongojobs.django`` is installed.

    Who is not logged in is led to ``LOGIN_URL``, if the site has such a page. Raises Forbidden, NotLoggedInError.
    """
    user = request.environ[_REQUEST].user
    if not user.is_authenticated:
        raise NotLoggedInError(_login_url())
    if not (user.is_active and user.is_staff):
        raise Forbidden("This is for staff only.")
    return User(user.get_username(), role="operator" if user.has_perm(OPERATE) else "viewer")


def _login_url() -> str | None:
    """Return the address of the site's login; None if ``LOGIN_URL`` leads nowhere, as its default mostly does."""
    from django.conf import settings  # noqa: PLC0415 - only here is it needed
    from django.shortcuts import resolve_url  # noqa: PLC0415
    from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve  # noqa: PLC0415

    try:
        url = str(resolve_url(settings.LOGIN_URL))
        if "://" not in url:
            resolve("/" + url.partition("?")[0].removeprefix(get_script_prefix()))
    except (NoReverseMatch, Resolver404):
        return None
    return url


def dashboard(*, auth: Authenticate = staff, **options: Any) -> Callable[..., Any]:
    """Return a view for ``re_path(r"^jobs/(?P<path>.*)$", ...)``; *options* are those of ``wsgi_app``.

    It is exempt from Django's check for forged requests, since it makes its own.
    """
    application = wsgi_app(auth=auth, **options)

    def view(request: Any, path: str = "") -> Any:
        from django.http import HttpResponse  # noqa: PLC0415 - only here is it needed

        body, status, headers = run_wsgi_app(application, _environ(request, path), buffered=True)
        response = HttpResponse(b"".join(body), status=int(status.split(" ", 1)[0]))
        for name, value in headers:
            if name.lower() == "set-cookie":
                response.cookies.load(value)
            else:
                response.headers[name] = value
        if "Location" in response.headers:
            response.url = response.headers["Location"]  # where Django's tests look for it
        return response

    _views.append(view)
    view.csrf_exempt = True  # type: ignore[attr-defined]  # as Django's csrf_exempt does
    return view


def address() -> str | None:
    """Return where the dashboard is mounted, None if it is not, or below a namespace."""
    from django.urls import NoReverseMatch, reverse  # noqa: PLC0415 - only here is it needed

    for view in reversed(_views):
        try:
            return str(reverse(view, kwargs={"path": ""}))
        except NoReverseMatch:
            continue
    return None


def _environ(request: Any, path: str) -> dict[str, Any]:
    """Return Django's *request* as a WSGI environment, below wherever the view is mounted."""
    mounted = request.path[: len(request.path) - len(path)] if path else request.path
    body = request.body
    kept = {key: value for key, value in request.META.items() if isinstance(value, str)}
    return {
        **kept,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": _latin(mounted.rstrip("/")),
        "PATH_INFO": _latin(f"/{path}"),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": request.scheme,
        "wsgi.version": (1, 0),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        _REQUEST: request,
    }


def _latin(text: str) -> str:
    """Return *text* as WSGI wants it: one character for each byte."""
    return text.encode().decode("latin-1")
