"""Async twins: they store the same jobs, and the event loop turns meanwhile."""

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

import mongojobs
from mongojobs import MongoJobs, NotAJobError, OptionError, Settings, adelay, aenqueue, delay, enqueue, testing
from mongojobs.schedules.handle import ScheduleHandle
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Newsletter, remember_one

Plain = Callable[[Band], object]
Awaited = Callable[[Band], Awaitable[object]]

WAYS: dict[str, tuple[Plain, Awaited]] = {
    "a function": (lambda _: remember_one.delay(1), lambda _: remember_one.adelay(1)),
    "a function with options": (
        lambda _: remember_one.options(queue="mail").delay(1),
        lambda _: remember_one.options(queue="mail").adelay(1),
    ),
    "many calls": (lambda _: remember_one.delay_many([(1,)])[0], lambda _: first(remember_one.adelay_many([(1,)]))),
    "a method": (lambda band: band.delay.play("x"), lambda band: band.adelay.play("x")),
    "a method with options": (
        lambda band: band.delay(queue="mail").play("x", encore=True),
        lambda band: band.adelay(queue="mail").play("x", encore=True),
    ),
    "a method of a class": (lambda _: Band.delay.count_all(3), lambda _: Band.adelay.count_all(3)),
    "a method of any object": (
        lambda band: delay(band, priority=3).play("x"),
        lambda band: adelay(band, priority=3).play("x"),
    ),
    "a method that is always stored": (lambda band: band.record(), lambda band: band.record.adelay()),
    "a job object": (lambda _: enqueue(Newsletter("n"), queue="q"), lambda _: aenqueue(Newsletter("n"), queue="q")),
    "a job object of an app": (
        lambda _: mongojobs.default_app().enqueue(Newsletter("n")),
        lambda _: mongojobs.default_app().aenqueue(Newsletter("n")),
    ),
}
OF_PROGRAMS = {"active", "change", "close", "connect_worker"}
"""What an app has for its program, and not for those who ask it something."""


async def first(awaited):
    return (await awaited)[0]


async def done(awaited):
    return await awaited


class Listening(CommandListener):
    """Notes which threads talk to the server."""

    def __init__(self):
        self.threads = set()

    def started(self, event):
        self.threads.add(threading.get_ident())

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture
def band(app):
    return Band(name="X").save()


@pytest.mark.parametrize(("plain", "awaited"), WAYS.values(), ids=WAYS)
class TestATwin:
    def test_stores_the_same_job(self, app, band, plain, awaited):
        one, other = plain(band), asyncio.run(done(awaited(band)))

        stored = app.get(other.id)
        assert (stored.name, stored.queue, stored.priority) == (one.name, one.queue, one.priority)
        assert stored.handler == app.get(one.id).handler

    def test_talks_to_the_server_in_another_thread(self, configure, band, mongo_uri, plain, awaited):
        listening = Listening()
        with MongoClient(mongo_uri, event_listeners=[listening]) as client:
            configure(client=client)

            asyncio.run(done(awaited(band)))

            assert listening.threads
            assert threading.get_ident() not in listening.threads


class TestAwaitingATwin:
    def test_goes_to_the_app_that_is_active(self, app, mongo_uri, connection, band):
        other = MongoJobs(Settings(uri=mongo_uri, collection="other_jobs"))

        with other.active():
            job = asyncio.run(done(band.adelay.play("x")))

        assert other.get(job.id) is not None
        other.close()

    def test_keeps_jobs_in_memory_in_a_test(self):
        with testing.mode("fake"):
            asyncio.run(done(aenqueue(Newsletter("n"))))

            assert len(testing.enqueued_jobs()) == 1

    @pytest.mark.parametrize(
        ("awaited", "error", "message"),
        [
            (lambda band: band.adelay.no_such_method(), NotAJobError, "no_such_method"),
            (lambda band: adelay(remember_one), NotAJobError, r"write function\.adelay"),
            (lambda band: band.adelay(quue="x").play(), OptionError, "quue"),
            (lambda band: aenqueue(Newsletter("n"), priority="high"), OptionError, "priority"),
        ],
    )
    def test_raises_what_the_other_does(self, app, band, awaited, error, message):
        with pytest.raises(error, match=message):
            asyncio.run(done(awaited(band)))

    def test_is_shown_as_what_it_is(self, band):
        assert repr(band.adelay) == f"<adelay {band!r}>"
        assert MongoJobs.afind.__qualname__ == "Operating.afind"
        assert inspect.signature(MongoJobs.afind) == inspect.signature(MongoJobs.find)

    def test_leaves_nothing_of_the_work_to_the_event_loop(self, app):
        ours = []

        def note(frame, event, _argument):
            ours.append(frame.f_globals["__name__"]) if event == "call" else None

        async def enqueue_one():
            sys.setprofile(note)
            await remember_one.adelay(1)
            sys.setprofile(None)

        asyncio.run(enqueue_one())

        assert {name for name in ours if name.startswith("mongojobs")} == {"mongojobs.enqueuing.twins"}


@pytest.mark.parametrize("cls", [MongoJobs, ScheduleHandle])
def test_all_that_asks_the_database_has_a_twin(cls):
    methods = {name for name, _ in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    twins = {name for name in methods if any(is_such(getattr(cls, name)) for is_such in kinds)}

    assert {f"a{name}" for name in methods - twins - OF_PROGRAMS} == twins
