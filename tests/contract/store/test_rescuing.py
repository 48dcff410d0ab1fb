"""Jobs that nobody looks after any more: those of lost workers, and those too damaged for queries to match."""

from datetime import timedelta

import pytest
from bson import Int64

from mongojobs.core.actions import DELETE, RETRY
from mongojobs.core.job import ErrorText
from mongojobs.core.retry import loss_backoff
from mongojobs.core.transitions import Errored
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, actions, reader, reserve, reserved, stored


class TestCountStuck:
    @pytest.fixture
    def store(self, database_store):
        return database_store

    def test_counts_what_a_rescue_would_take_back(self, store, clock):
        for _ in range(3):
            reserved(store, a_job())
        clock.advance(minutes=3)
        reserved(store, a_job())

        assert reader(store).count_stuck() == 3
        assert reader(store).count_stuck(limit=2) == 2
        assert reader(store).count_stuck(longer_than=2 * MINUTE) == 3
        assert reader(store).count_stuck(longer_than=2 * MINUTE + timedelta(seconds=1)) == 0


class TestRescue:
    @pytest.mark.behaviour("S37", "S48")
    def test_frees_a_job_whose_lease_is_over_whoever_held_it(self, store, clock):
        held = reserved(store, a_job(), by="dead")
        clock.advance(minutes=1)

        [rescued] = store.rescue(by="alive")

        [again] = reserve(store, by="alive")
        assert (rescued.job_id, rescued.locked_by, rescued.losses, rescued.failed) == (held.id, "dead", 1, False)
        assert rescued.name == "app.tasks.send_receipt"
        assert (again.id, again.fence, again.losses, again.attempts) == (held.id, 2, 1, 0)

    @pytest.mark.behaviour("S49", "X8")
    def test_leaves_a_job_whose_lease_goes_on_however_long_it_runs(self, store, clock):
        held = reserved(store, a_job(max_run_time=timedelta(seconds=1)))
        clock.advance(seconds=59)
        store.renew([held], lease=MINUTE)
        clock.advance(seconds=59)

        assert store.rescue(by="other") == []
        assert stored(store, held)["lock_token"] == held.lock_token

    def test_keeps_the_place_of_a_job_after_its_first_loss_and_delays_it_from_the_second_on(self, store, clock):
        job = a_job()
        reserved(store, job)
        clock.advance(minutes=2)
        store.rescue(by="w")
        first = store.get(job.id).run_at
        reserve(store)
        clock.advance(minutes=2)
        store.rescue(by="w")

        assert first == START
        assert store.get(job.id).run_at == clock.now() + loss_backoff(2)

    def test_gives_up_on_the_last_loss_with_a_text_about_lost_workers(self, store, clock):
        held = reserved(store, a_job(losses=2, attempts=1), by="dead")
        clock.advance(minutes=2)

        [rescued] = store.rescue(by="alive")

        job = store.get(held.id)
        assert rescued.failed
        assert (job.state, job.losses, job.attempts, job.failed_at) == ("failed", 3, 1, clock.now())
        assert "3 workers were lost" in job.last_error
        assert "dead" in job.last_error
        assert job.lock_token is None

    def test_keeps_an_error_that_names_the_lost_worker(self, store, clock):
        held = reserved(store, a_job(), by="dead")
        clock.advance(minutes=2)
        store.rescue(by="alive")

        [entry] = store.get(held.id).errors

        assert (entry["worker"], entry["attempt"]) == ("dead", 0)
        assert "the worker dead was lost" in entry["error"]

    def test_of_one_job_by_two_workers_counts_one_loss(self, database_store, clock, monkeypatch):
        held = reserved(database_store, a_job())
        clock.advance(minutes=2)
        take_back = database_store._rescuing._take_back

        def overtaken(document, **context):
            take_back(document, **context)
            return take_back(document, **context)

        monkeypatch.setattr(database_store._rescuing, "_take_back", overtaken)

        assert database_store.rescue(by="late") == []
        assert database_store.get(held.id).losses == 1

    def test_leaves_a_job_that_was_reserved_again_since_it_was_seen(self, database_store, clock, monkeypatch):
        held = reserved(database_store, a_job())
        clock.advance(minutes=2)
        take_back = database_store._rescuing._take_back

        def overtaken(document, **context):
            take_back(document, **context)
            reserve(database_store, by="new")
            return take_back(document, **context)

        monkeypatch.setattr(database_store._rescuing, "_take_back", overtaken)
        database_store.rescue(by="late")

        job = database_store.get(held.id)
        assert (job.state, job.locked_by, job.losses) == ("running", "new", 1)

    def test_takes_no_more_than_asked_for(self, server_store, clock):
        server_store.insert_many([a_job() for _ in range(5)])
        reserve(server_store, 5)
        clock.advance(minutes=2)

        assert [len(server_store.rescue(by="w", limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_goes_on_beside_a_job_that_has_grown_as_large_as_a_document_can_be(self, server_store, clock):
        warnings = []
        server_store.queries.on_warning = warnings.append
        huge, small = [reserved(server_store, a_job(id=name), by="worker" * 30) for name in ("huge", "small")]
        handler = {**huge.handler, "args": ["x" * (2**24 - 1000)]}
        server_store.collection.update_one({"_id": "huge"}, {"$set": {"handler": handler}})
        clock.advance(minutes=2)

        assert [one.job_id for one in server_store.rescue(by="other" * 30)] == [small.id]
        assert "cannot take back the job 'huge': " in warnings[0]

    @pytest.mark.parametrize("damage", [{"losses": "x"}, {"errors": "x"}, {"attempts": None}, {"name": 1}])
    def test_works_on_a_document_that_somebody_edited(self, database_store, clock, damage):
        held = reserved(database_store, a_job())
        database_store.collection.update_one({"_id": held.id}, {"$set": damage})
        clock.advance(minutes=2)

        assert len(database_store.rescue(by="w")) == 1
        assert stored(database_store, held)["state"] == "ready"

    def test_leaves_the_rest_of_the_history_alone(self, store, clock):
        job = a_job()
        held = reserved(store, job)
        store.end(held, Errored(ErrorText(error="e"), clock.now()))
        reserve(store)
        clock.advance(minutes=2)
        store.rescue(by="w")

        assert [entry["attempt"] for entry in store.get(job.id).errors] == [1, 1]


class TestQuarantine:
    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            ({"run_at": None}, "run_at is null"),
            ({"run_at": "tomorrow"}, "run_at is of the wrong type str"),
            ({"priority": None}, "priority is null"),
            ({"priority": "high"}, "priority is of the wrong type str"),
            ({"priority": Int64(2**40)}, "priority is 1099511627776"),
            ({"priority": -(2**40)}, "priority is -1099511627776"),
            ({"queue": None}, "queue is null"),
            ({"queue": 5}, "queue is of the wrong type int"),
            ({"queue": {"$ne": None}}, "queue is of the wrong type dict"),
            ({"state": "running"}, "locked_until is missing"),
            ({"state": "running", "locked_until": None}, "locked_until is null"),
            ({"state": "running", "locked_until": START}, "lock_token is missing"),
            ({"state": "running", "locked_until": START, "lock_token": 5}, "lock_token is of the wrong type int"),
        ],
    )
    def test_sets_aside_a_job_that_no_query_would_find(self, server_store, damage, reason):
        job, healthy = a_job(), a_job()
        server_store.insert_many([job, healthy])
        server_store.collection.update_one({"_id": job.id}, {"$set": damage})

        [quarantined] = server_store.quarantine()

        document = stored(server_store, job)
        assert (quarantined.job_id, quarantined.reason) == (job.id, f"damaged: {reason}")
        assert (document["state"], document["last_error"]) == ("failed", f"damaged: {reason}")
        assert server_store.get(healthy.id).state == "ready"

    @pytest.mark.parametrize("field", ["run_at", "priority", "queue"])
    def test_sets_aside_a_job_that_lacks_a_field(self, server_store, field):
        job = a_job()
        server_store.insert(job)
        server_store.collection.update_one({"_id": job.id}, {"$unset": {field: ""}})

        [quarantined] = server_store.quarantine()

        assert quarantined.reason == f"damaged: {field} is missing"

    def test_finds_nothing_among_healthy_jobs(self, server_store, clock):
        reserved(server_store, a_job())
        server_store.insert_many([a_job(), a_job(run_at=START + MINUTE), a_job(state="failed")])

        assert server_store.quarantine() == []

    def test_leaves_a_job_that_is_only_out_of_its_lease_to_the_rescue(self, server_store, clock):
        reserved(server_store, a_job())
        clock.advance(minutes=2)

        assert server_store.quarantine() == []

    def test_takes_no_more_than_asked_for(self, server_store):
        jobs = [a_job() for _ in range(5)]
        server_store.insert_many(jobs)
        server_store.collection.update_many({}, {"$set": {"run_at": None}})

        assert [len(server_store.quarantine(limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_leaves_jobs_that_people_can_look_at_retry_and_delete(self, server_store):
        job = a_job()
        server_store.insert(job)
        server_store.collection.update_one({"_id": job.id}, {"$set": {"run_at": None, "queue": 5, "errors": 1}})
        server_store.quarantine()

        shown = server_store.get(job.id)

        assert (shown.state, shown.queue) == ("failed", "(damaged)")
        assert reader(server_store).find(state="failed") == [shown]
        assert actions(server_store).act(RETRY, job.id).run_at == START
        assert actions(server_store).act(DELETE, job.id).id == job.id
