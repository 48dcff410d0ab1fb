"""Writes a dump: every kind of job, in every state, as the code at hand stores them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import mongoengine
from bson import json_util
from bson.binary import STANDARD

import mongojobs
from mongojobs import MongoJobs, Worker
from mongojobs.core.job import Job
from tests.stored import app as stored
from tests.support.clock import HeldClock
from tests.support.command_line import ROOT
from tests.support.mongod import with_database
from tests.support.schedules import code, tick
from tests.support.undeclared import undeclared

DATABASE = "stored"
"""Where the jobs and their documents were, which references name."""
FOLDER = Path(__file__).parent
_OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, uuid_representation=STANDARD)
"""Every type of BSON comes back as it was."""

Collections = dict[str, list[dict[str, Any]]]


def dump_on(uri: str) -> Collections:
    """Return a dump made on the server at *uri*."""
    clock = HeldClock()
    mongoengine.connect(host=with_database(uri, DATABASE), uuidRepresentation="standard")
    try:
        return _dump(mongojobs.configure(clock=clock, retry_jitter=0), clock)
    finally:
        mongojobs.configure()
        mongoengine.disconnect_all()


def write(path: Path, collections: Collections) -> None:
    """Write a dump as extended JSON, a document a line, so that what changes between versions can be read.

    Traces name files as they are seen from the repository.
    """
    listed = [
        f"{json_util.dumps(name)}: [\n"
        + ",\n".join(json_util.dumps(one, json_options=_OPTIONS) for one in documents)
        + "\n]"
        for name, documents in sorted(collections.items())
    ]
    text = "{\n" + ",\n".join(listed) + "\n}\n"
    path.write_text(text.replace(f"{ROOT}/", ""), encoding="utf-8")


def read(path: Path) -> Collections:
    """Return a dump."""
    found: Collections = json_util.loads(path.read_text(encoding="utf-8"), json_options=_OPTIONS)
    return found


def _dump(app: MongoJobs, clock: HeldClock) -> Collections:
    """Fill the empty database of *app* with jobs, and return all its documents as they are while some of them run."""
    app.create_indexes()
    caught: Collections = {}
    with code():
        _end_some(clock)
        _leave_some_behind(app, clock)
        _schedule(app, clock)
        _wait()
        _wait_for_documents()
        climbing, cancelled = stored.climb.delay("climb", 4), stored.go_on.delay("cancelled")
        _during(climbing, lambda: _climb_again(app, cancelled, lambda: caught.update(_collections(app))))
    return caught


def _collections(app: MongoJobs) -> Collections:
    database = app.store.collection.database
    found = {name: list(database[name].find().sort("_id", 1)) for name in database.list_collection_names()}
    return {name: documents for name, documents in found.items() if documents}


def _during(job: Job, action: Callable[[], object]) -> None:
    """Run *job*, and *action* while it runs."""
    stored.meanwhile = action
    _worker().run_one(job.id)
    stored.meanwhile = bool


def _work_off() -> None:
    _worker().work_off(1000)


def _worker() -> Worker:
    return Worker(name="ada")


def _end_some(clock: HeldClock) -> None:
    """Leave jobs behind that have ended, each in its way."""
    for name, value in stored.VALUES.items():
        stored.give_back.options(job_id=f"result: {name}", meta={"value": name}).delay(value)
    stored.give_up.options(job_id="given up").delay("given up")
    stored.discard.options(job_id="discarded").delay("discarded")
    stored.once_in_ten_days.options(job_id="held").delay("held", 1)
    stored.once_in_ten_days.delay("held", 1)
    _work_off()
    mongojobs.default_app().cancel(stored.keep.options(job_id="withdrawn").delay("withdrawn").id, by="ann", why="late")
    clock.advance(minutes=1)


def _leave_some_behind(app: MongoJobs, clock: HeldClock) -> None:
    """Leave jobs behind that will be run again."""
    stored.fail_until.delay("failed twice", 2)
    stored.snooze_once.delay("snoozed")
    _work_off()
    clock.advance(seconds=10)
    _work_off()
    retried = stored.give_up.delay("retried")
    _work_off()
    app.retry(retried.id, by="ann")
    deferred = stored.keep_named.delay("deferred", "s3cret")
    with undeclared("stored.named"):
        _worker().run_one(deferred.id)


def _schedule(app: MongoJobs, clock: HeldClock) -> None:
    """Leave schedules behind: one that has ticked and will again, one of each kind of job, and one that is paused."""
    app.schedule("by cron", stored.ticking, cron="*/15 * * * *", tz="Europe/Athens", args=("by cron",), window="6h")
    app.schedule("every", stored.ticking, every="10m", args=("every",), overlap="allow", jitter="5s", tags=["often"])
    app.schedule("in words", stored.Letter("in words", stored.Point(1)), cron="day at 12:30", description="at noon")
    app.schedule("of a class", stored.Person.count, every="10m", args=("of a class",), times=2, queue="people")
    season = {"starts": clock.now(), "ends": clock.now() + timedelta(days=10), "expires": "interval"}
    app.schedule("in season", stored.ticking, every="9m", args=("in season",), **season)
    app.schedule("paused", stored.ticking, every="1m", args=("paused",)).pause("until the audit ends", by="olga")
    app.schedule_of("every").run_now(by="olga")
    app.schedule_of("every").edit("11m")
    clock.advance(minutes=16)
    tick(app)


def _wait() -> None:
    """Leave jobs behind that wait: every value, every option, every kind of call that needs no document."""
    for name, value in stored.VALUES.items():
        stored.keep.delay(f"value: {name}", value)
    stored.keep_later.delay("async", 1)
    stored.keep_named.delay("named", "s3cret")
    stored.keep.delay("arguments", 1, 2, key="a", **{"$odd.name": 3})
    mongojobs.enqueue(stored.Letter("letter", stored.Point(1, stored.Colour.RED)), priority=-1)
    stored.Person.delay.count("class method")
    super(stored.Employee, stored.Employee).recount("class method of the base")
    stored.Employee.delay.tell("static method", "a", "b")
    options = {"queue": "mail", "priority": 9, "tags": ["a", "b"], "meta": {"order": 7}, "job_id": "chosen"}
    limits = {"max_attempts": 2, "max_run_time": "10s", "expires_in": "10d", "keep_result": "1h", "keep_log": "64k"}
    stored.keep.options(run_in="30m", **options, **limits).delay("options")
    stored.unique_until_start.delay("until start")
    stored.debounced.delay("debounced", "first")
    stored.debounced.delay("debounced", "last")


def _wait_for_documents() -> None:
    """Leave jobs behind that refer to documents."""
    boss = stored.Employee(name="Olga", level=2).save()
    ann = stored.Employee(name="Ann", address=stored.Address(city="Athens"), boss=boss, friend=boss).save()
    ann.delay(queue="people").greet("method", word="hello")
    ann.delay.greet_later("async method")
    ann.rename("handled asynchronously", "Anna")
    super(stored.Employee, ann).rename("of the base", "Anna")
    stored.meet.delay("documents", [ann, ann], ann.friend, address=ann.address)


def _climb_again(app: MongoJobs, cancelled: Job, catch: Callable[[], object]) -> None:
    """Call the running job again, and catch it beside one that is about to be interrupted, and one in a transaction."""
    stored.meanwhile = bool
    stored.climb.delay("climb", 3)
    paying = stored.pay.delay("paid")

    def cancel() -> None:
        app.cancel(cancelled.id, running=True, by="ann", why="too long")
        _during(paying, lambda: _outside(catch))

    _during(cancelled, cancel)


def _outside(action: Callable[[], object]) -> None:
    """Do it in a thread of its own, which no transaction of this one reaches."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(action).result()
