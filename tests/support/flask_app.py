"""A Flask app made by a factory, with jobs that tell where they ran."""

import os
from dataclasses import dataclass
from typing import Any

import mongoengine
from flask import Flask, current_app, g, has_app_context, has_request_context

from mongojobs import Job, job
from mongojobs.flask import MongoJobs

jobs = MongoJobs()
pushed: list[str] = []
"""A name for each app context that any of the apps has torn down."""


def create_app(name: str = "shop", **config: Any) -> Flask:
    """Return a new app, whose jobs are where SAMPLE_URI says."""
    app = Flask(name)
    app.config.update(config)
    if "SAMPLE_URI" in os.environ:
        mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
    jobs.init_app(app)
    app.teardown_appcontext(lambda _error: pushed.append(name))
    app.add_url_rule("/buy", view_func=lambda: str(where.delay().id))
    return app


def create_from(path: str) -> Flask:
    return create_app(path)


def place() -> list[Any]:
    """Return which app the calling code runs in, whether in a request, and what others have left in ``g``."""
    if not has_app_context():
        return ["nowhere"]
    left = g.get("left", "nothing")
    g.left = "something"
    return [current_app.name, has_request_context(), left]


@job(keep_result="1h")
def where() -> list[Any]:
    return place()


@job(keep_result="1h")
async def where_async() -> list[Any]:
    return place()


@job(max_attempts=1)
@dataclass
class FailsForGood:
    """Notes where its last hook runs."""

    def perform(self) -> None:
        raise ValueError("no luck")

    def failure(self, _job: Job) -> None:
        pushed.append(f"failure in {place()[0]}")
