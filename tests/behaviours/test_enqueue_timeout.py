"""How long an enqueue takes while the database is down or silent: ``enqueue_timeout``, whatever it has to ask."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import mongoengine
import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

import mongojobs
from mongojobs import EnqueueUnknownError, MongoJobs, MongoJobsError, Settings, StoreUnavailableError
from mongojobs.core import clock
from mongojobs.store import clients, time_limits
from tests.support.documents import Group
from tests.support.rig import Proxy
from tests.support.sample_jobs import remember_one
from tests.support.waiting import LONG, promptly

TIMEOUT = 0.5
NOBODY = "mongodb://127.0.0.1:1/away"
LIMITED = {"limited": {"max_size": 10}}


@pytest.fixture(params=["nobody", "silent"])
def away(request: pytest.FixtureRequest) -> str:
    """The URI of a database that is down: nothing listens there, or something that never answers."""
    silent_server: str = request.getfixturevalue("silent_server")
    return {"nobody": NOBODY, "silent": silent_server}[request.param]


@pytest.fixture
def proxy(mongod) -> Iterator[Proxy]:
    [node] = mongod.nodes
    with Proxy(node.port) as proxy:
        yield proxy


@pytest.fixture
def app(mongo_uri, proxy) -> Iterator[MongoJobs]:
    """The default app behind a way to the database that can be made a black hole; it has enqueued already."""
    database = mongo_uri.rpartition("/")[2].partition("?")[0]
    uri = f"mongodb://{proxy.address}/{database}?directConnection=true"
    mongoengine.connect(host=uri, uuidRepresentation="standard")
    app = mongojobs.configure(enqueue_timeout=TIMEOUT, queue_attributes=LIMITED)
    remember_one.options(queue="limited").delay(0)
    yield app
    proxy.heal()
    mongoengine.disconnect_all()
    mongojobs.configure()


@pytest.fixture(autouse=True)
def _no_other_limit(monkeypatch):
    """Let nothing but ``enqueue_timeout`` end a call soon; the driver's own limits do after 20 s."""
    monkeypatch.setattr(clients, "PATIENCE", timedelta(seconds=LONG))
    monkeypatch.setattr(clients, "_ANSWER_SECONDS", LONG)


def given_up_in_time(call):
    """Return what *call* raised, long before anything but ``enqueue_timeout`` would have ended it."""
    with promptly(10), pytest.raises((MongoJobsError, PyMongoError)) as raised:
        call()
    return raised.value


CALLS = {
    "delay": lambda: remember_one.delay(1),
    "delay_many": lambda: remember_one.delay_many([(1,), (2,)]),
    "adelay": lambda: asyncio.run(remember_one.adelay(1)),
    "a queue with a max_size": lambda: remember_one.options(queue="limited").delay(1),
    "many into a queue with a max_size": lambda: remember_one.options(queue="limited").delay_many([(1,), (2,)]),
    "a job_id": lambda: remember_one.options(job_id="order-1").delay(1),
}


class TestAFreshProcess:
    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
    def test_gives_up_in_time_and_says_that_nothing_is_stored(self, away, call):
        app = MongoJobs(Settings(uri=away, enqueue_timeout=TIMEOUT, queue_attributes=LIMITED))

        with app.active():
            error = given_up_in_time(call)

        app.close()
        assert isinstance(error, StoreUnavailableError)
        assert "the database is not available" in str(error)


class TestAProcessThatHasEnqueuedBefore:
    """The server falls silent, as behind a cable that is pulled; the driver still believes in it."""

    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
    def test_gives_up_in_time(self, app, proxy, call):
        proxy.black_hole()

        error = given_up_in_time(call)

        assert isinstance(error, StoreUnavailableError | EnqueueUnknownError)

    def test_gives_up_in_time_when_it_must_look_at_the_clock_again(self, app, proxy, monkeypatch):
        monkeypatch.setattr(clock, "REMEASURE_AFTER_SECONDS", 0)
        proxy.black_hole()

        assert given_up_in_time(lambda: remember_one.options(queue="limited").delay(1))

    def test_gives_up_in_time_on_the_question_whether_a_document_is_saved(self, app, proxy):
        proxy.black_hole()

        error = given_up_in_time(lambda: remember_one.delay(Group(id=ObjectId(), name="doubtful")))

        assert isinstance(error, StoreUnavailableError)

    def test_gives_up_in_time_within_a_transaction(self, app, proxy):
        with app.link.client.start_session() as session:
            session.start_transaction()
            remember_one.options(session=session).delay(1)
            proxy.black_hole()

            with promptly(10), pytest.raises((MongoJobsError, PyMongoError)):
                remember_one.options(session=session).delay(2)
            proxy.heal()

    def test_has_no_time_left_to_insert_when_the_questions_before_took_it_all(self, app, monkeypatch):
        passed = [0.0]
        count = app.store.count_queued

        def count_slowly(queue, *, limit):
            passed.append(TIMEOUT)
            return count(queue, limit=limit)

        monkeypatch.setattr(app.store, "count_queued", count_slowly)
        monkeypatch.setattr(time_limits, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[-1]))

        with pytest.raises(StoreUnavailableError, match="within enqueue_timeout"):
            remember_one.options(queue="limited").delay(1)

    def test_does_not_count_the_time_that_hooks_take(self, app):
        app.lifecycle.before("enqueue", lambda _: time.sleep(TIMEOUT + 0.1))

        assert remember_one.delay(1)
