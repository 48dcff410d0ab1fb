"""One test suite of an app, in every mode: what passes in memory must pass on a server, and the other way round."""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import mongoengine
import mongomock
import pytest

import mongojobs
from mongojobs import enqueue
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.jobs import JobStore
from mongojobs.testing import (
    Mode,
    assert_enqueued,
    drain,
    enqueued_jobs,
    mode,
    perform,
    refute_enqueued,
    travel,
)
from mongojobs.testing.memory import MemoryStore
from tests.support import sample_jobs
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    AlwaysFails,
    AlwaysFailsAndTells,
    Ceremonious,
    Newsletter,
    NoLuckError,
    always_fails,
    discards,
    enqueues_another,
    look_at_the_job,
    remember,
    remember_later,
    remember_one,
    snoozes,
    succeeds_on_third_try,
)
from tests.support.undeclared import undeclared


@pytest.fixture
def mock_connection() -> Iterator[object]:
    yield mongoengine.connect("shop_test", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
    mongoengine.disconnect_all()


@pytest.fixture
def recorder() -> sample_jobs.Recorder:
    """What the sample jobs did in this test."""
    return sample_jobs.recorder


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    sample_jobs.recorder.clear()
    mongojobs.configure(retry_jitter=0)
    yield
    mongojobs.configure()


_WAYS = {
    "fake": ("fake", "mock_connection"),
    "mongomock": ("real", "mock_connection"),
    "server": ("real", "connection"),
    "inline": ("inline", "mock_connection"),
}


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[Mode]:
    """A mode in force, with a place for documents."""
    name, connection = _WAYS[request.param]
    request.getfixturevalue(connection)
    with mode(name) as entered:
        yield entered


in_every_mode = pytest.mark.parametrize("way", ["fake", "inline", "mongomock", "server"], indirect=True)
in_every_mode_with_a_queue = pytest.mark.parametrize("way", ["fake", "mongomock", "server"], indirect=True)


@in_every_mode
class TestEveryMode:
    def test_runs_functions(self, way, recorder):
        remember.delay(1, x=[2])
        drain()

        assert recorder.facts("remembered") == [((1,), {"x": [2]})]

    def test_runs_many_in_their_order(self, way, recorder):
        remember_one.delay_many([(1,), (2,), (3,)])
        drain()

        assert recorder.facts("remembered") == [1, 2, 3]

    def test_runs_methods_of_documents(self, way):
        band = Band(name="Blur").save()

        band.delay.rename("Gorillaz")
        drain()

        assert band.reload().name == "Gorillaz"

    def test_runs_class_methods(self, way, recorder):
        Band.delay.count_all(3)
        drain()

        assert recorder.facts("counted") == [(Band, 3)]

    def test_runs_job_objects_with_their_hooks(self, way, recorder):
        enqueue(Ceremonious())
        drain()

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    def test_runs_coroutines(self, way, recorder):
        remember_later.delay(1)
        drain()

        assert recorder.facts("remembered") == [1]

    def test_runs_what_jobs_enqueue(self, way, recorder):
        enqueues_another.delay(1)
        drain()

        assert recorder.facts("remembered") == [1]

    @pytest.mark.behaviour("X26")
    def test_hands_over_copies_of_the_arguments(self, way, recorder):
        moment = datetime(2030, 1, 1, tzinfo=UTC)
        values = [1, (2, 3), moment]

        remember_one.delay(values)
        drain()

        [remembered] = recorder.facts("remembered")
        assert remembered == values
        assert remembered is not values

    def test_lets_errors_come_up(self, way):
        def enqueue_and_drain():
            always_fails.delay("no luck today")
            drain()

        with pytest.raises(NoLuckError, match="no luck today"):
            enqueue_and_drain()

    @pytest.mark.behaviour("S20")
    def test_returns_the_job(self, way):
        job = remember_one.options(queue="mail", priority=3, tags=["a"]).delay(1)

        assert (job.name, job.queue, job.priority, job.tags) == (
            "tests.support.sample_jobs.remember_one",
            "mail",
            3,
            ("a",),
        )

    def test_performs_one_job(self, way):
        job = remember_one.delay(1)

        assert perform(job) == "noted"
        assert enqueued_jobs() == []


@in_every_mode_with_a_queue
class TestEveryQueue:
    def test_finds_what_is_enqueued(self, way):
        band = Band(name="Blur").save()

        job = band.delay(queue="mail", priority=2).play(band, encore=True)

        found = assert_enqueued(
            band.play, args=(band,), kwargs={"encore": True}, queue="mail", priority=2, run_at=job.run_at, times=1
        )
        assert found.id == job.id
        refute_enqueued(band.rename)

    def test_gives_back_equal_jobs(self, way):
        options = {"max_attempts": 3, "max_run_time": 60, "tags": ["a"], "meta": {"trace": 1}, "job_id": "7"}

        job = remember_one.options(**options).delay([1, {"a": 2**40}])

        assert enqueued_jobs() == [job]
        assert way.get("7") == job

    def test_orders_jobs_as_a_worker_does(self, way, recorder):
        remember_one.options(run_in=7200).delay("fifth")
        remember_one.options(run_in=3600, priority=9).delay("fourth")
        remember_one.options(priority=5).delay("third")
        remember_one.delay("first")
        remember_one.delay("second")
        order = [job.handler["args"][0] for job in enqueued_jobs()]

        drain(until=travel(0) + timedelta(hours=3))

        assert order == recorder.facts("remembered") == ["first", "second", "third", "fourth", "fifth"]

    def test_shows_one_queue_and_drains_it(self, way):
        remember_one.delay(1)
        mail = remember_one.options(queue="mail").delay(2)

        assert [job.id for job in enqueued_jobs("mail")] == [mail.id]
        assert drain("mail") == (1, 0)
        assert len(enqueued_jobs()) == 1

    def test_locks_a_job_while_it_runs(self, way, recorder):
        job = look_at_the_job.delay()

        drain()

        [seen] = recorder.facts("job")
        assert (seen.id, seen.state, seen.fence, seen.locked_by) == (job.id, "running", 1, "mongojobs.testing")
        assert seen.locked_until > seen.locked_at >= job.run_at

    def test_deletes_what_succeeded(self, way):
        job = remember_one.delay(1)

        drain()

        assert way.get(job.id) is None

    def test_keeps_what_succeeded_if_its_id_was_given(self, way, recorder):
        remember_one.options(job_id="receipt 7").delay(1)
        drain()
        again = remember_one.options(job_id="receipt 7").delay(1)
        drain()

        assert again.state == "completed"
        assert again.expire_at - again.finished_at == timedelta(days=1)
        assert recorder.facts("remembered") == [1]

    def test_keeps_what_succeeded_if_the_settings_say_so(self, way):
        mongojobs.configure(keep_completed="2h")
        job = remember_one.delay(1)

        drain()

        kept = way.get(job.id)
        assert (kept.state, kept.is_locked, kept.locked_by) == ("completed", False, None)
        assert kept.expire_at - kept.finished_at == timedelta(hours=2)

    def test_reschedules_what_failed(self, way):
        job = always_fails.delay("no luck today")

        assert drain(raises=False) == (0, 1)

        failed = way.get(job.id)
        assert (failed.state, failed.attempts, failed.lock_token) == ("ready", 1, None)
        assert failed.last_error.startswith("NoLuckError: no luck today\nTraceback")
        assert [(entry["attempt"], entry["worker"]) for entry in failed.errors] == [(1, "mongojobs.testing")]
        assert failed.run_at - failed.errors[0]["at"] >= timedelta(seconds=5.9)

    def test_tries_again_when_it_is_time(self, way, recorder):
        succeeds_on_third_try.delay()
        drain(raises=False)
        travel(7)
        drain(raises=False)
        travel(22)

        assert drain(raises=False) == (1, 0)
        assert recorder.facts("tried") == [0, 1, 2]

    def test_gives_up_in_the_end(self, way, recorder):
        job = enqueue(AlwaysFailsAndTells(max_attempts=2))

        assert drain(raises=False, until=travel(0) + timedelta(hours=1)) == (0, 2)

        given_up = way.get(job.id)
        assert (given_up.state, given_up.attempts, len(given_up.errors)) == ("failed", 2, 2)
        assert given_up.failed_at == given_up.finished_at is not None
        assert recorder.deeds == ["tried", "tried", "failure"]

    def test_deletes_what_failed_if_the_job_says_so(self, way):
        job = enqueue(AlwaysFails(max_attempts=1, destroy_failed_jobs=True))

        drain(raises=False)

        assert way.get(job.id) is None

    def test_keeps_what_failed_and_is_to_be_deleted_if_its_id_was_given(self, way):
        enqueue(AlwaysFails(max_attempts=1, destroy_failed_jobs=True), job_id="receipt 7")

        drain(raises=False)

        kept = way.get("receipt 7")
        assert (kept.state, kept.expire_at - kept.failed_at) == ("failed", timedelta(days=1))

    def test_keeps_the_last_ten_errors(self, way):
        job = always_fails.options(max_attempts=12).delay()

        drain(raises=False, until=travel(0) + timedelta(days=30))

        assert [entry["attempt"] for entry in way.get(job.id).errors] == list(range(3, 13))

    def test_snoozes(self, way):
        job = snoozes.delay(3600)

        assert drain() == (0, 0)

        snoozed = way.get(job.id)
        assert (snoozed.state, snoozed.snoozes, snoozed.attempts) == ("ready", 1, 0)
        assert snoozed.run_at - job.run_at >= timedelta(hours=1)

    def test_defers_what_is_not_declared_here(self, way):
        job = remember_one.delay(1)
        with undeclared(job.name):
            assert drain(raises=False) == (0, 0)

        deferred = way.get(job.id)
        assert (deferred.state, deferred.attempts) == ("ready", 0)
        assert deferred.deferred_reason.startswith("UnknownJobError: no job is registered under the name")
        assert drain(until=travel(0) + timedelta(seconds=5)) == (1, 0)

    def test_discards(self, way):
        job = discards.delay("of no use")

        drain()

        discarded = way.get(job.id)
        assert (discarded.state, discarded.last_error) == ("cancelled", "of no use")
        assert discarded.finished_at is not None

    def test_leaves_the_rest_after_an_error_that_came_up(self, way):
        enqueue(AlwaysFails())
        enqueue(Newsletter())

        with pytest.raises(NoLuckError):
            drain()

        assert [(job.name, job.attempts) for job in enqueued_jobs()] == [("Newsletter", 0), ("AlwaysFails", 1)]
        assert drain() == (1, 0)


MEMORY_METHODS = [
    (store, method)
    for store in (JobStore, JobActions)
    for method, _ in inspect.getmembers(store, inspect.isfunction)
    if hasattr(MemoryStore, method) and not method.startswith("_")
]


@pytest.mark.parametrize(("store", "method"), MEMORY_METHODS)
def test_memory_takes_what_the_store_takes(store, method):
    """A finisher gets a ``MemoryStore`` in place of the ``JobStore`` that it asks for."""
    ours = inspect.signature(getattr(MemoryStore, method)).parameters.values()
    theirs = inspect.signature(getattr(store, method)).parameters.values()

    assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in theirs]
