"""From a page to a response: templates, their filters, and fragments sent only if they have changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.http import quote_etag, unquote_etag
from werkzeug.wrappers import Response

from mongojobs.core.actions import ACTIONS, left_for_their_keys
from mongojobs.version import __version__
from mongojobs.web import wording
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.routes import MENU
from mongojobs.web.search import ended_within, term
from mongojobs.web.security import keep_token, token_of

_LIVE: Final = "live"
"""The block of a template that is refreshed while the page is open."""

_CLOCK: Final = re.compile(r'(?<=<time )([^>]*>)[^<]*|data-now="[^"]*"')
"""What changes only because time passes."""
_FILTERS: Final[tuple[Callable[..., Any], ...]] = (
    wording.ago,
    wording.since,
    wording.waiting,
    wording.exact,
    wording.local,
    wording.in_zone,
    wording.duration,
    wording.size,
    wording.number,
    wording.first_line,
)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mongojobs.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=wording.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {made.__name__: made for made in _FILTERS}
    environment.tests["listens"] = _listens
    environment.globals |= {"version": __version__, "static_version": _static_version(), "term": term}
    environment.globals |= {"ended_within": ended_within, "menu": MENU, "all_actions": ACTIONS}
    environment.globals["left_for_their_keys"] = left_for_their_keys
    environment.globals["parts"] = environment.get_template("_parts.html").module
    return environment


def _listens(queues: Sequence[str], queue: str) -> bool:
    """Whether a worker on *queues* takes jobs of *queue*; an empty list means all."""
    return not queues or queue in queues


def _static_version() -> str:
    """Return a text for the addresses of static files that changes whenever one of them does."""
    static = files("mongojobs.web") / "static"
    texts = sorted((file.name, file.read_bytes()) for file in static.iterdir() if file.is_file())
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:12]


_templates: Final = _environment()


def render(page: Page, visit: RequestContext) -> Response:
    """Return *page* as HTML: all of it, or only the refreshed part if that was asked for."""
    template = _templates.get_template(page.template)
    token = token_of(visit.request)
    values = {"visit": visit, "url": visit.url, "user": visit.user, "now": visit.now, "token": token, **page.values}
    if visit.is_fragment and _LIVE in template.blocks and page.status == 200:
        return _fragment("".join(template.blocks[_LIVE](template.new_context(values))), visit)
    response = Response(template.render(values), status=page.status, mimetype="text/html")
    keep_token(response, visit.request, token)
    return response


def render_error(status: int, title: str, text: str, *, home: str, is_known: bool) -> Response:
    """Return a page that says what went wrong, with menu and all for known users."""
    template = _templates.get_template("error.html")
    html = template.render(status=status, title=title, text=text, home=home, is_known=is_known)
    return Response(html, status=status, mimetype="text/html")


def _fragment(html: str, visit: RequestContext) -> Response:
    """Return *html*, or that the browser has it already.

    How long ago something was does not count: the page's script keeps such texts up to date.
    """
    etag = hashlib.sha256(_CLOCK.sub(r"\1", html).encode("utf-8", "replace")).hexdigest()[:32]
    known, _ = unquote_etag(visit.request.headers.get("If-None-Match"))
    response = Response(status=304) if known == etag else Response(html, mimetype="text/html")
    response.headers["ETag"] = quote_etag(etag)
    return response
