"""Keeping other sites out: no forged request changes anything, and no foreign script, frame or cache is let in."""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Request, Response

COOKIE: Final = "mongojobs_token"
FIELD: Final = "token"

_REFUSAL: Final = "This form was not sent from this dashboard, so nothing was changed."

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all, browsers send forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_security_headers(response: Response) -> None:
    """Forbid inline scripts and styles, other sites and caches for *response*."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def refuse_foreign(request: Request) -> None:
    """Raise Forbidden unless a page of this dashboard sent *request*.

    Browsers say so in ``Sec-Fetch-Site``; those that do not, or not without TLS, send ``Origin``; for the rest there is
    a token, in the form and in a cookie that no other site can have sent.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_own = site == "same-origin"
    elif origin is not None:
        is_own = _is_of_host(origin, request)
    else:
        is_own = _has_token(request)
    if not is_own:
        raise Forbidden(_REFUSAL)


def token_of(request: Request) -> str | None:
    """Return the token for a page's forms; None if the browser itself says which site a request comes from."""
    if "Sec-Fetch-Site" in request.headers:
        return None
    return request.cookies.get(COOKIE) or secrets.token_urlsafe(32)


def keep_token(response: Response, request: Request, token: str | None) -> None:
    """Make the browser send *token* back, but never with a request caused by another site."""
    if token is not None and request.cookies.get(COOKIE) != token:
        path = request.root_path or "/"
        response.set_cookie(COOKIE, token, path=path, secure=request.is_secure, httponly=True, samesite="Strict")


def _has_token(request: Request) -> bool:
    given, kept = request.form.get(FIELD, ""), request.cookies.get(COOKIE, "")
    return bool(kept) and hmac.compare_digest(given.encode(), kept.encode())


def _is_of_host(origin: str, request: Request) -> bool:
    """Compare hosts and ports only: behind a proxy that ends TLS, the scheme here is another one."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or parts.hostname is None:
        return False
    host, _, own_port = (
        request.host.lower().rpartition(":") if _has_port(request.host) else (request.host.lower(), "", "")
    )
    own = int(own_port) if own_port else None
    return parts.hostname == host.strip("[]") and (port or default) == (own or default)


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdecimal() and not host.endswith("]")
