"""The dashboard as a WSGI application: who asks, for what, and whether they may."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from werkzeug.exceptions import Forbidden, HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.routing import MapAdapter
from werkzeug.wrappers import Request, Response

from mongojobs.app import MongoJobs, default_app
from mongojobs.app.dashboard import now, within
from mongojobs.app.operations import plain_errors
from mongojobs.core.errors import (
    ConfigurationError,
    FilterError,
    MongoJobsError,
    OptionError,
    ScheduleError,
    StateError,
    StoreUnavailableError,
)
from mongojobs.core.notices import ActionTaken
from mongojobs.web.auth import Authenticate, NotLoggedInError, User, lead_to_login, user_of
from mongojobs.web.cache import Memory
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.render import render, render_error
from mongojobs.web.routes import FOR_OPERATORS, ROUTES, VIEWS
from mongojobs.web.security import add_security_headers, refuse_foreign

LARGEST_FORM_BYTES: Final = 256 * 1024
PATIENCE: Final = timedelta(seconds=10)
"""How long the database may take for a page."""


_REFUSALS: Final = (401, 403, 429)


def wsgi_app(
    *,
    auth: Authenticate,
    app: MongoJobs | None = None,
    show_arguments: bool = True,
    on_action: Callable[[ActionTaken], object] | None = None,
    login_url: str | None = None,
    trusted_hosts: Iterable[str] = (),
) -> Dashboard:
    """Return the dashboard as a WSGI application, to be mounted at any address of a site.

    *auth* is asked first at every request, and there is no way around it: it gets the request (Werkzeug's, with
    ``environ`` and ``cookies``) and returns None, which refuses it, or a ``User``. Users may look; those whose role is
    ``"operator"`` may also change something.

    *login_url* is the address of the site's login: who is refused is led there, and it gets the address to come back to
    as ``next``. For those whom a login would not help, *auth* may raise Werkzeug's ``Forbidden``.

    *app* is the app whose jobs are shown, by default the default one. *show_arguments* false hides the arguments of all
    jobs. *on_action* is called with each change that somebody makes, which is logged too. *trusted_hosts* are the names
    under which the site may be called; by default the site itself sees to that. Raises ConfigurationError.
    """
    if not callable(auth):
        raise ConfigurationError(
            f"auth must be a function that returns who sent a request, or None to refuse it, got {auth!r:.100}"
        )
    if login_url is not None and not _is_address(login_url):
        raise ConfigurationError(
            f"login_url must be a path of the site such as /login, or an http address, got {login_url!r:.100}"
        )
    return Dashboard(
        (lambda: app) if app is not None else default_app,
        auth=auth,
        show_arguments=show_arguments,
        on_action=on_action,
        login_url=login_url,
        trusted_hosts=trusted_hosts,
    )


class Dashboard:
    """The dashboard as made by ``wsgi_app``."""

    def __init__(
        self,
        app: Callable[[], MongoJobs],
        *,
        auth: Authenticate,
        login_url: str | None = None,
        trusted_hosts: Iterable[str] = (),
        show_arguments: bool = True,
        on_action: Callable[[ActionTaken], object] | None = None,
    ) -> None:
        self._app = app
        self._auth = auth
        self._login_url = login_url
        self._trusted_hosts = list(trusted_hosts)
        self._show_arguments = show_arguments
        self._on_action = on_action
        self._memory = Memory()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        request.max_content_length = request.max_form_memory_size = LARGEST_FORM_BYTES
        response = self._respond(request)
        add_security_headers(response)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except NotLoggedInError as error:
            return lead_to_login(request, error.login_url or self._login_url) or _refused(error, request)
        except HTTPException as error:
            return _refused(error, request)
        except StoreUnavailableError as error:
            return _error(503, "The database does not answer", str(error), request)
        except FilterError as error:
            return _error(400, "That cannot be searched for", str(error), request)
        except (StateError, OptionError, ScheduleError) as error:
            return _error(409, "That cannot be done", str(error), request)
        except MongoJobsError as error:
            return _error(500, "Something is set up wrong", str(error), request)

    def _answer(self, request: Request) -> Response:
        """Return the response to *request*. Raises HTTPException, MongoJobsError.

        Before anything else it is asked who sent it, so that a stranger learns nothing, not even which pages exist.
        """
        if self._trusted_hosts:
            request.trusted_hosts = self._trusted_hosts
        urls = ROUTES.bind_to_environ(request.environ)  # after a look at the host, which is refused if not trusted
        _ = request.host
        user = user_of(request, self._auth)
        endpoint, values = urls.match()
        if request.method == "POST":
            refuse_foreign(request)
        elif request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD", "POST"])
        if endpoint in FOR_OPERATORS and not user.may_operate:
            raise Forbidden("You may look, but only operators may change anything.")
        if request.method == "POST":
            return self._visit(request, user, endpoint, values, urls)
        with within(PATIENCE):
            return self._visit(request, user, endpoint, values, urls)

    def _visit(
        self, request: Request, user: User, endpoint: str, values: Mapping[str, Any], urls: MapAdapter
    ) -> Response:
        app = self._app()
        visit = RequestContext(
            request=request,
            user=user,
            app=app,
            endpoint=endpoint,
            urls=urls,
            now=now(app),
            values=values,
            memory=self._memory,
            show_arguments=self._show_arguments,
            on_action=self._on_action,
        )
        with plain_errors():
            result = VIEWS[endpoint](visit)
        return render(result, visit) if isinstance(result, Page) else result


def _refused(error: HTTPException, request: Request) -> Response:
    if isinstance(error, InternalServerError) or error.code is None:
        raise error
    if error.code < 400:
        return Response.force_type(error.get_response(request.environ), request.environ)
    response = _error(error.code, error.name, error.description or "", request)
    for name, value in error.get_headers(request.environ):
        if name != "Content-Type":
            response.headers[name] = value
    return response


def _error(status: int, title: str, text: str, request: Request) -> Response:
    return render_error(status, title, text, home=f"{request.root_path}/", is_known=status not in _REFUSALS)


def _is_address(text: object) -> bool:
    return isinstance(text, str) and text.startswith(("/", "http://", "https://")) and text.isprintable()
