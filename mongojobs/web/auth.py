"""Who may see the dashboard, and who may change something: users and their roles, basic authentication, a login."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from mongojobs.core.errors import ConfigurationError

Role = Literal["viewer", "operator"]

_TRIES: Final = 10
_MINUTE_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 10_000

_LED_COOKIE: Final = "mongojobs_led"
_LED_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class User:
    """Who is using the dashboard: a *viewer*, who changes nothing, or an *operator*."""

    name: str
    role: Role = "viewer"

    def __post_init__(self) -> None:
        if self.role not in ("viewer", "operator"):
            raise ConfigurationError(f'the role of a user is "viewer" or "operator", got {self.role!r}')

    @property
    def may_operate(self) -> bool:
        """Whether this user may retry, cancel, delete, pause and so on."""
        return self.role == "operator"


Authenticate = Callable[[Request], User | None]
"""Says who sent a request; None refuses it. It may raise ``NotLoggedInError`` if a login would help the sender."""

_REFUSAL: Final = "You may not see this: log in to the application first."


class NotLoggedInError(Forbidden):
    """The sender of this request is not logged in; the site's login at *login_url* may help."""

    def __init__(self, login_url: str | None = None) -> None:
        super().__init__(_REFUSAL)
        self.login_url = login_url


def user_of(request: Request, authenticate: Authenticate) -> User:
    """Return who sent *request*.

    Raises Unauthorized, Forbidden or NotLoggedInError when nobody may see anything, TooManyRequests.
    """
    user = authenticate(request)
    if isinstance(user, User):
        return user
    if isinstance(authenticate, BasicAuth):
        raise Unauthorized("Give a name and a password.", www_authenticate=BasicAuth.challenge())
    if user is None:
        raise NotLoggedInError
    raise Forbidden(_REFUSAL)


def lead_to_login(request: Request, login_url: str | None) -> Response | None:
    """Return what sends the browser to the login and back to this page afterwards; None if that would not help.

    So for forms, whose content would be lost, and for parts of pages. Nor is anybody led twice within some seconds: a
    login that knows him already would send him back, and he would go round in circles.
    """
    if login_url is None or request.method != "GET" or "HX-Request" in request.headers:
        return None
    if request.cookies.get(_LED_COOKIE):
        return None
    response = redirect(_with_way_back(login_url, request), 302, Response)
    response.set_cookie(
        _LED_COOKIE,
        "1",
        max_age=_LED_SECONDS,
        path=request.root_path or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


class BasicAuth:
    """HTTP basic authentication: names and passwords of *operators*, and of *viewers*, who may only look.

    Passwords are compared in constant time. After ten wrong ones from one address within a minute, this address is
    refused for the rest of it. Use it behind TLS.
    """

    def __init__(self, *, operators: Mapping[str, str] | None = None, viewers: Mapping[str, str] | None = None) -> None:
        users = [(User(name, "operator"), password) for name, password in (operators or {}).items()]
        users += [(User(name, "viewer"), password) for name, password in (viewers or {}).items()]
        if not users or any(not user.name or not password for user, password in users):
            raise ConfigurationError("basic authentication needs a non-empty name and password")
        self._users = [(user, _digest(user.name, password)) for user, password in users]
        self._tries = _Tries()

    def __call__(self, request: Request) -> User | None:
        """Return the user whose name and password *request* carries. Raises TooManyRequests."""
        given = request.authorization
        if given is None or given.type != "basic":
            return None
        address = request.remote_addr or ""
        self._tries.refuse_many(address)
        digest = _digest(given.username or "", given.password or "")
        matching = [user for user, expected in self._users if hmac.compare_digest(digest, expected)]
        if not matching:
            self._tries.add(address)
            return None
        return matching[0]

    @staticmethod
    def challenge() -> WWWAuthenticate:
        """Return what makes a browser ask for a name and password."""
        return WWWAuthenticate("basic", {"realm": "mongojobs", "charset": "UTF-8"})


class _Tries:
    """The wrong passwords of the last minute, by address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def refuse_many(self, address: str) -> None:
        now = time.monotonic()
        with self._lock:
            tries = self._by_address.get(address)
            if tries is None or len(tries) < _TRIES or now - tries[0] > _MINUTE_SECONDS:
                return
            wait = int(tries[0] + _MINUTE_SECONDS - now) + 1
        raise TooManyRequests("Too many wrong passwords: wait a minute.", retry_after=wait)

    def add(self, address: str) -> None:
        with self._lock:
            self._by_address.setdefault(address, deque(maxlen=_TRIES)).append(time.monotonic())
            self._by_address.move_to_end(address)
            if len(self._by_address) > _MOST_ADDRESSES:
                self._by_address.popitem(last=False)


def _digest(name: str, password: str) -> bytes:
    """Return a digest to compare in constant time; the lengths in it keep name and password apart."""
    return hashlib.sha256(f"{len(name)}:{name}:{password}".encode("utf-8", "surrogatepass")).digest()


def _with_way_back(login_url: str, request: Request) -> str:
    """Return *login_url* with the address of this page, always on this site, as ``next``."""
    here = urlsplit(request.url)
    path = "/" + here.path.lstrip("/\\")
    parts = urlsplit(login_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("next", f"{path}?{here.query}" if here.query else path)]
    return urlunsplit(parts._replace(query=urlencode(query)))
