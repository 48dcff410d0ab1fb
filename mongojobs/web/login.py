"""Leading a visitor whom nobody knows to the site's login, and back."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

_COOKIE: Final = "mongojobs_led"
_PATIENCE_SECONDS: Final = 5


def lead(request: Request, login_url: str | None) -> Response | None:
    """Return what sends the browser to the login and afterwards back to this page; None where that would not help.

    So for forms, whose content would be lost, and for parts of pages. Nor is anybody led twice within some seconds: a
    login that knows him already would send him back, and he would go round in circles.
    """
    if login_url is None or request.method != "GET" or "HX-Request" in request.headers:
        return None
    if request.cookies.get(_COOKIE):
        return None
    response = redirect(_with_way_back(login_url, request), 302, Response)
    response.set_cookie(
        _COOKIE,
        "1",
        max_age=_PATIENCE_SECONDS,
        path=request.root_path or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _with_way_back(login_url: str, request: Request) -> str:
    """Return *login_url* with the address of this page on this site, and on no other, as ``next``."""
    here = urlsplit(request.url)
    path = "/" + here.path.lstrip("/\\")
    parts = urlsplit(login_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("next", f"{path}?{here.query}" if here.query else path)]
    return urlunsplit(parts._replace(query=urlencode(query)))
