"""Cancelling jobs that run elsewhere: at once by the change stream, or else when the locks are renewed."""

import threading

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

import mongojobs
from mongojobs.core.notices import Warned
from mongojobs.store.stream import CancelStream
from tests.support.cancelled_jobs import goes_on, goes_on_async
from tests.support.sample_jobs import gate, recorder, remember_one
from tests.support.waiting import LONG, eventually
from tests.support.worker_parts import Told
from tests.support.working import working


@pytest.fixture
def app(connection: MongoClient, indexes: None):
    """The default app, whose workers renew their locks too rarely for a test."""
    app = mongojobs.configure(lease=4 * LONG, heartbeat=LONG, sleep_delay=LONG)
    app.told = Told()
    app.lifecycle.on_notice(app.told.notify)
    yield app
    mongojobs.configure()


@pytest.fixture(autouse=True)
def _clean_slate():
    recorder.clear()
    gate.clear()


@pytest.fixture
def streams(monkeypatch):
    """The streams that were opened: none works if they are to *fail*, and so many are cut off as there are *cuts*."""

    class Streams(list):
        fail = False
        cuts = 0
        listened = 0

    opened, make, following = Streams(), CancelStream.__init__, CancelStream.next

    def note(stream, *arguments):
        opened.append(stream)
        if opened.fail:
            raise AutoReconnect("cut off")
        make(stream, *arguments)

    def cut_or_next(stream):
        if opened.cuts:
            opened.cuts -= 1
            raise AutoReconnect("cut off")
        opened.listened += 1
        return following(stream)

    monkeypatch.setattr(CancelStream, "__init__", note)
    monkeypatch.setattr(CancelStream, "next", cut_or_next)
    return opened


def cancelled(app, job):
    return app.get(job.id).state == "cancelled"


class TestByTheStream:
    @pytest.mark.parametrize("goes_on", [goes_on, goes_on_async], ids=["thread", "async"])
    def test_a_job_ends_long_before_its_lock_is_renewed(self, app, streams, goes_on):
        job = goes_on.delay()

        with working():
            eventually(lambda: streams.listened)
            app.cancel(job.id, running=True)
            eventually(lambda: cancelled(app, job))

    def test_a_job_ends_that_was_cancelled_before_anybody_listened(self, app):
        job = goes_on.delay()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            app.cancel(job.id, running=True)
            eventually(lambda: cancelled(app, job))

    def test_a_job_ends_on_a_busy_worker(self, app, streams):
        job = goes_on.delay()

        with working(threads=2):
            eventually(lambda: streams.listened)
            for number in range(300):
                remember_one.delay(number)
            app.cancel(job.id, running=True)
            eventually(lambda: cancelled(app, job))

    def test_a_job_ends_though_the_stream_was_cut_once(self, app, streams):
        streams.cuts = 1
        job = goes_on.delay()

        with working():
            eventually(lambda: streams.listened)
            app.cancel(job.id, running=True)
            eventually(lambda: cancelled(app, job))

    def test_nothing_is_opened_for_short_jobs(self, app, streams):
        remember_one.delay_many([(number,) for number in range(200)])

        with working():
            eventually(lambda: len(recorder.facts("remembered")) == 200)
            threading.Event().wait(0.6)

        assert streams == []

    def test_a_cancelled_job_of_another_worker_is_none_of_its_business(self, app, streams):
        held = goes_on.delay()

        with working(queues=["default"]):
            eventually(lambda: streams.listened)
            other = goes_on.options(queue="other").delay()
            app.cancel(other.id, running=True)
            gate.set()
            eventually(lambda: app.get(held.id) is None)


class TestByTheRenewal:
    @pytest.mark.parametrize("goes_on", [goes_on, goes_on_async], ids=["thread", "async"])
    def test_a_job_ends_where_the_stream_is_cut_off(self, connection, app, streams, goes_on):
        app = mongojobs.configure(lease=1, heartbeat=0.1)
        streams.fail = True
        job = goes_on.delay()

        with working():
            eventually(lambda: streams)
            app.cancel(job.id, running=True)
            eventually(lambda: cancelled(app, job))


def test_what_forbids_the_stream_is_told_once(app, streams, monkeypatch):
    goes_on.delay()

    def refuse(*_arguments):
        raise PermissionError("not authorized")

    monkeypatch.setattr(CancelStream, "__init__", refuse)
    with working():
        eventually(lambda: app.told.of(Warned))
        threading.Event().wait(1)
        gate.set()

    [warned] = app.told.of(Warned)
    assert warned.message.startswith("cannot listen for cancelled jobs, and looks when it renews the locks instead:")
