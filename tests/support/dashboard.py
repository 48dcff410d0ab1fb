"""The dashboard as tests meet it: jobs of every kind, requests as a browser sends them, a server on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from mongojobs import MongoJobs
from mongojobs.core.job import Job
from mongojobs.web import User, wsgi_app
from mongojobs.web.routes import MENU, ROUTES
from tests.support.jobs import a_job

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
OPERATOR = User("olga", role="operator")
VIEWER = User("victor")
PAGES = [rule.rule for endpoint, *_ in MENU.values() for rule in ROUTES.iter_rules(endpoint)]
"""The addresses of what is in the menu, so that a new page is looked at wherever all are."""


class Visitor:
    """Somebody with a browser, who is let in as *user*."""

    def __init__(self, app: MongoJobs, user: User | None = OPERATOR, **options: Any) -> None:
        self._client = Client(wsgi_app(app=app, auth=lambda _request: user, **options))

    def get(self, path: str, **headers: str) -> TestResponse:
        """Open a page; *headers* have underscores for hyphens."""
        return self._client.get(path, headers=_headers(headers))

    def text(self, path: str) -> str:
        """Return the text of a page that must be there."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        return response.text

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        """Send a form from a page of the dashboard, unless *headers* say otherwise."""
        return self._client.post(path, data=form or {}, headers=_headers(headers) or SAME_ORIGIN)

    def open(self, path: str, **options: Any) -> TestResponse:
        """Send any request."""
        return self._client.open(path, **options)


@contextmanager
def served(application: Any) -> Iterator[str]:
    """Serve a WSGI *application*, and yield its address."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="dashboard")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def a_failed_job(*, error: str = "ValueError: no such mailbox", place: str = "shop.py", **fields: Any) -> Job:
    """Return a job that was given up on."""
    now = datetime.now(UTC).replace(microsecond=0)
    trace = f'Traceback (most recent call last):\n  File "{place}", line 7, in send\n    send()\n{error}'
    entry = {"at": now, "attempt": 1, "error": error, "trace": trace, "worker": "w1"}
    return a_job(
        **{
            "state": "failed",
            "attempts": 1,
            "failed_at": now,
            "finished_at": now,
            "last_error": f"{error}\n{trace}",
            "errors": (entry,),
            **fields,
        }
    )


def a_running_job(**fields: Any) -> Job:
    """Return a job that some worker holds."""
    now = datetime.now(UTC).replace(microsecond=0)
    lock = {"locked_at": now, "locked_by": "w1", "locked_until": now + timedelta(minutes=1), "lock_token": uuid4().hex}
    return a_job(**{"state": "running", "fence": 1, **lock, **fields})


def _headers(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
