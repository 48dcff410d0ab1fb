"""``wsgi_app``: the dashboard as a part of another site."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mongojobs.app import MongoJobs, default_app
from mongojobs.core.errors import ConfigurationError
from mongojobs.core.notices import ActionTaken
from mongojobs.web.app import Dashboard
from mongojobs.web.auth import Authenticate


def wsgi_app(
    *,
    auth: Authenticate,
    app: MongoJobs | None = None,
    show_arguments: bool = True,
    on_action: Callable[[ActionTaken], object] | None = None,
    login_url: str | None = None,
    trusted_hosts: Iterable[str] = (),
) -> Dashboard:
    """Return the dashboard as a WSGI application, to be mounted below some address of a site.

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


def _is_address(text: object) -> bool:
    return isinstance(text, str) and text.startswith(("/", "http://", "https://")) and text.isprintable()
