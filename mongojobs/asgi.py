"""For FastAPI, Starlette and other sites on ASGI: what they do when they start and when they stop.

``FastAPI(lifespan=mongojobs.asgi.lifespan)``. Needs none of them, only what they have in common.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mongojobs.app import MongoJobs, Worker, default_app
from mongojobs.app.operations import plain_errors
from mongojobs.core.errors import ConfigurationError, StoreUnavailableError
from mongojobs.core.notices import Warned
from mongojobs.store.clients import SHORT_PATIENCE, find_server


@asynccontextmanager
async def lifespan(site: object = None, *, app: MongoJobs | None = None) -> AsyncIterator[None]:  # noqa: ARG001 - sites pass themselves
    """Open the connection of *app*, or of the default app, while *site* starts, and close it when *site* stops.

    So the first request does not wait for it. A database that cannot be reached is told of, and no reason not to
    start: enqueues try again. Raises ConnectionMissingError and ConfigurationError where it cannot ever be reached.
    """
    chosen = app or default_app()
    await asyncio.to_thread(_open, chosen)
    try:
        yield
    finally:
        await asyncio.to_thread(chosen.close)


@asynccontextmanager
async def worker(
    site: object = None, *, in_production: bool = False, app: MongoJobs | None = None, **settings: Any
) -> AsyncIterator[None]:
    """Do as ``lifespan``, and let a worker with these *settings* run in the process of *site*: for development.

    It shares the interpreter with the site, and ends with it. So it is refused unless *site* has ``debug``, as
    ``FastAPI(debug=True)`` has, or *in_production* asks for it all the same. Raises ConfigurationError, SettingsError.
    """
    if not (in_production or getattr(site, "debug", False)):
        raise ConfigurationError(
            f"mongojobs.asgi.worker() is for development, which {site!r} does not say it is in: set debug=True there;"
            " in production, start `mongojobs work` beside the site, or ask for it with worker(in_production=True)"
        )
    async with lifespan(site, app=app):
        working = Worker(app=app, **settings)
        thread = threading.Thread(target=working.start, name="mongojobs-worker", daemon=True)
        thread.start()
        try:
            yield  # nothing: Starlette takes what a lifespan yields for its state
        finally:
            working.stop()
            await asyncio.to_thread(thread.join)


def _open(app: MongoJobs) -> None:
    client = app.link.client
    try:
        with plain_errors():
            find_server(client, SHORT_PATIENCE)
    except StoreUnavailableError as error:
        app.lifecycle.notify(Warned("", f"the site starts without the database of its jobs: {error}"))
