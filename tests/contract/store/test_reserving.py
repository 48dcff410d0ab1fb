"""What a reserve takes, in which order, and what it leaves alone."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from bson.datetime_ms import DatetimeMS

from mongojobs.core.settings import Settings
from mongojobs.store.jobs import JobStore, QueueSelector, Spread, open_store
from mongojobs.store.lifecycle.end import Holding
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reserve, reserved, stored

LATER = START + timedelta(hours=1)
EARLIER = START - timedelta(hours=1)


class TestReserve:
    @pytest.mark.behaviour("S33", "S36")
    def test_takes_a_job_that_is_due(self, store):
        store.insert(a_job(run_at=EARLIER))

        assert len(reserve(store)) == 1

    @pytest.mark.behaviour("S32")
    def test_leaves_jobs_of_the_future(self, store):
        store.insert(a_job(run_at=START + timedelta(milliseconds=1)))

        assert reserve(store) == []

    @pytest.mark.behaviour("S31")
    def test_leaves_failed_jobs(self, store):
        store.insert(a_job(state="failed"))

        assert reserve(store) == []

    @pytest.mark.behaviour("S34")
    def test_goes_by_the_clock_that_was_passed_in_whatever_the_zone_of_the_process(self, store, monkeypatch):
        monkeypatch.setenv("TZ", "Pacific/Kiritimati")
        store.insert(a_job(run_at=START))

        assert len(reserve(store)) == 1

    @pytest.mark.behaviour("S35")
    def test_leaves_a_job_that_another_worker_holds(self, store):
        reserved(store, a_job(), by="one")

        assert reserve(store, by="other") == []

    @pytest.mark.behaviour("S38", "X3")
    def test_leaves_a_job_that_a_worker_of_the_same_name_holds(self, store):
        reserved(store, a_job(), by="worker")

        assert reserve(store, by="worker") == []

    @pytest.mark.behaviour("X2")
    def test_takes_the_more_urgent_of_a_new_job_and_one_whose_lease_is_over(self, store, clock):
        reserved(store, a_job(priority=5))
        clock.advance(minutes=2)
        urgent = a_job(priority=1)
        store.insert(urgent)
        store.rescue(by="other")

        [first] = reserve(store)

        assert first.id == urgent.id

    @pytest.mark.behaviour("X4")
    def test_writes_the_lock_and_raises_the_fence_and_touches_nothing_else(self, store, clock):
        job = a_job()
        store.insert(job)
        before = stored(store, job)

        [held] = store.reserve(QueueSelector(), token="secret", by="worker", lease=MINUTE)

        assert stored(store, job) == before | {
            "state": "running",
            "locked_at": START,
            "locked_by": "worker",
            "locked_until": START + MINUTE,
            "lock_token": "secret",
            "fence": 1,
        }
        assert (held.state, held.lock_token, held.fence) == ("running", "secret", 1)

    @pytest.mark.behaviour("S1", "S2")
    def test_gives_back_every_field_as_it_was_stored(self, store):
        job = a_job(
            max_attempts=3,
            max_run_time=timedelta(milliseconds=1500),
            run_at=EARLIER,
            tags=("a", "b"),
            meta={"trace": "1"},
            errors=({"at": EARLIER, "attempt": 1, "error": "e", "trace": "", "worker": "w"},),
            last_error="e",
            attempts=1,
            id_given=True,
        )

        held = reserved(store, job)

        assert held.max_run_time == timedelta(milliseconds=1500)
        assert (held.run_at, held.tags, held.meta, held.errors) == (EARLIER, ("a", "b"), {"trace": "1"}, job.errors)
        assert (held.max_attempts, held.attempts, held.last_error, held.id_given) == (3, 1, "e", True)

    @pytest.mark.behaviour("S43")
    def test_takes_jobs_by_priority_the_lower_first(self, store):
        priorities = random.sample(range(-50, 50), 10)
        store.insert_many([a_job(priority=priority) for priority in priorities])

        taken = [reserve(store)[0].priority for _ in priorities]

        assert taken == sorted(priorities)

    @pytest.mark.behaviour("S44")
    def test_never_takes_priorities_below_the_minimum(self, store):
        store.insert_many([a_job(priority=priority) for priority in (1, 2, 3)])

        taken = [reserve(store, min_priority=2)[0].priority for _ in range(2)]

        assert (taken, reserve(store, min_priority=2)) == ([2, 3], [])

    @pytest.mark.behaviour("S45")
    def test_never_takes_priorities_above_the_maximum(self, store):
        store.insert_many([a_job(priority=priority) for priority in (1, 2, 3)])

        taken = [reserve(store, max_priority=2)[0].priority for _ in range(2)]

        assert (taken, reserve(store, max_priority=2)) == ([1, 2], [])

    def test_takes_the_extreme_priorities(self, store):
        store.insert_many([a_job(priority=2**31 - 1), a_job(priority=-(2**31))])

        assert [reserve(store)[0].priority for _ in range(2)] == [-(2**31), 2**31 - 1]

    @pytest.mark.behaviour("X29")
    def test_takes_jobs_of_one_priority_in_the_order_of_their_time_and_then_of_their_ids(self, store):
        jobs = [a_job(), a_job(), a_job(run_at=EARLIER)]
        store.insert_many(jobs[::-1])

        assert [reserve(store)[0].id for _ in jobs] == [jobs[2].id, jobs[0].id, jobs[1].id]

    @pytest.mark.behaviour("S52")
    def test_takes_only_jobs_of_the_queue_that_is_wanted(self, store):
        mail = a_job(queue="mail")
        store.insert_many([a_job(), mail, a_job(queue="bulk")])

        [held] = reserve(store, queues=("mail",))

        assert (held.id, reserve(store, queues=("mail",))) == (mail.id, [])

    @pytest.mark.behaviour("S53")
    def test_takes_only_jobs_of_the_queues_that_are_wanted(self, store):
        store.insert_many([a_job(queue=queue) for queue in ("mail", "default", "bulk", "other")])

        taken = {reserve(store, queues=("mail", "bulk"))[0].queue for _ in range(2)}

        assert (taken, reserve(store, queues=("mail", "bulk"))) == ({"mail", "bulk"}, [])

    @pytest.mark.behaviour("S54")
    def test_takes_jobs_of_all_queues_when_none_is_named(self, store):
        store.insert_many([a_job(queue=queue) for queue in ("mail", "default")])

        assert {reserve(store)[0].queue for _ in range(2)} == {"mail", "default"}

    def test_takes_no_queue_name_for_an_operator(self, store):
        store.insert(a_job())

        assert reserve(store, queues=("$ne",)) == []

    @pytest.mark.behaviour("S51")
    def test_takes_a_job_with_a_payload_of_many_characters(self, store):
        job = a_job(handler={"v": 1, "kind": "function", "target": "x", "args": ["x" * 28_000], "kwargs": {}})

        assert reserved(store, job).handler == job.handler

    def test_leaves_a_job_that_lost_two_workers_to_a_process_that_holds_nothing(self, store):
        killer, harmless = a_job(losses=2), a_job(losses=1, priority=1)
        store.insert_many([killer, harmless])

        [beside] = reserve(store, beside=True)
        [alone] = reserve(store)

        assert (beside.id, alone.id) == (harmless.id, killer.id)


class TestASuspect:
    """A job that lost two workers, which only a process that holds nothing may take."""

    @pytest.fixture
    def store(self, database_store):
        return database_store

    @pytest.mark.parametrize(
        ("job", "is_next"),
        [
            (a_job(losses=2), True),
            (a_job(losses=1), False),
            (a_job(losses=2, run_at=START + MINUTE), False),
            (a_job(losses=2, queue="another"), False),
        ],
        ids=["due", "one loss", "not due", "another queue"],
    )
    def test_is_next_once_it_is_due_and_wanted(self, store, job, is_next):
        store.insert(job)

        assert store.is_suspect_next(QueueSelector(queues=("default",))) is is_next

    def test_is_not_next_while_many_others_come_before_it(self, store):
        store.insert(a_job(losses=2, priority=1))
        store.insert_many([a_job() for _ in range(100)])

        assert not store.is_suspect_next(QueueSelector())


class TestReserveOfSeveral:
    def test_takes_as_many_as_asked_for_in_order_under_one_token(self, server_store):
        server_store.insert_many([a_job(priority=priority) for priority in (5, 3, 4, 1, 2)])

        taken = reserve(server_store, 3)

        assert [job.priority for job in taken] == [1, 2, 3]
        assert len({job.lock_token for job in taken}) == 1
        assert {(job.state, job.fence, job.locked_until) for job in taken} == {("running", 1, START + MINUTE)}

    def test_of_a_full_batch_takes_three_commands(self, server_store, spy):
        server_store.insert_many([a_job() for _ in range(500)])
        spy.sent.clear()

        assert len(reserve(server_store, 500)) == 500

        assert spy.names == ["find", "update", "find"]

    def test_takes_what_there_is(self, server_store):
        server_store.insert_many([a_job(), a_job(), a_job(run_at=LATER), a_job(queue="other")])

        assert len(reserve(server_store, 10, queues=("default",))) == 2

    def test_takes_none_of_an_empty_queue(self, server_store):
        assert reserve(server_store, 10) == []

    def test_stops_before_a_job_that_lost_a_worker(self, server_store):
        jobs = [a_job(), a_job(), a_job(losses=1), a_job()]
        server_store.insert_many(jobs)

        batches = [[job.id for job in reserve(server_store, 10)] for _ in range(3)]

        assert batches == [[jobs[0].id, jobs[1].id], [jobs[2].id], [jobs[3].id]]

    def test_leaves_jobs_that_lost_two_workers_when_it_holds_others(self, server_store):
        jobs = [a_job(losses=2), a_job()]
        server_store.insert_many(jobs)

        assert [job.id for job in reserve(server_store, 10, beside=True)] == [jobs[1].id]

    def test_does_not_take_a_candidate_that_was_run_and_rescheduled_meanwhile(self, server_store, monkeypatch):
        job = a_job()
        server_store.insert(job)
        candidates = server_store._reserving._candidates

        def overtaken(*arguments, **options):
            ids = candidates(*arguments, **options)
            server_store.collection.update_one({"_id": job.id}, {"$set": {"run_at": LATER}})
            return ids

        monkeypatch.setattr(server_store._reserving, "_candidates", overtaken)

        assert reserve(server_store, 10) == []


class TestWorkersThatMeet:
    @pytest.fixture
    def spread(self, monkeypatch):
        """The reserve of a worker that leaves as many batches to the others as it may."""
        monkeypatch.setattr(random, "randrange", lambda batches: batches - 1)
        return Spread()

    def reserve(self, store, limit, spread):
        taken = store.reserve(QueueSelector(), token=uuid4().hex, by="worker", lease=MINUTE, limit=limit, spread=spread)
        return [job.id for job in taken]

    @pytest.fixture
    def overtaken(self, server_store, monkeypatch):
        """The store, where another worker is quicker with the first job of each batch."""
        candidates = server_store._reserving._candidates

        def then_another(*arguments, **options):
            ids = candidates(*arguments, **options)
            server_store.collection.update_many({"_id": {"$in": ids[:1]}}, {"$set": {"state": "running"}})
            return ids

        monkeypatch.setattr(server_store._reserving, "_candidates", then_another)
        return server_store

    def test_take_batches_further_and_further_apart_the_more_often_others_are_quicker(self, overtaken, spread):
        overtaken.insert_many([a_job() for _ in range(200)])

        seen = [(spread.batches, len(self.reserve(overtaken, 10, spread))) for _ in range(5)]

        assert seen == [(1, 9), (2, 9), (4, 9), (8, 9), (8, 9)]

    def test_leave_whole_batches_to_each_other(self, server_store, spread):
        jobs = [a_job(priority=number) for number in range(12)]
        server_store.insert_many(jobs)
        spread.batches = 4

        assert self.reserve(server_store, 3, spread) == [job.id for job in jobs[9:]]

    def test_come_nearer_again_after_many_batches_that_nobody_else_touched(self, server_store, spread):
        server_store.insert_many([a_job() for _ in range(100)])
        spread.batches = 4

        seen = [(self.reserve(server_store, 3, spread), spread.batches)[1] for _ in range(16)]

        assert seen == [*[4] * 7, *[2] * 8, 1]

    def test_stay_apart_where_others_are_quicker_now_and_then(self, overtaken, spread, monkeypatch):
        overtaken.insert_many([a_job() for _ in range(200)])
        spread.batches = 8

        self.reserve(overtaken, 3, spread)
        monkeypatch.undo()
        seen = [(self.reserve(overtaken, 3, spread), spread.batches)[1] for _ in range(7)]

        assert seen == [8] * 7

    def test_take_the_first_jobs_where_too_few_are_left_behind_them(self, server_store, spread):
        jobs = [a_job(priority=number) for number in range(5)]
        server_store.insert_many(jobs)
        spread.batches = 2

        assert self.reserve(server_store, 3, spread) == [job.id for job in jobs[:3]]

    def test_do_not_keep_apart_because_few_jobs_are_due(self, server_store, spread):
        server_store.insert(a_job())

        assert len(self.reserve(server_store, 10, spread)) == 1
        assert spread.batches == 1


class TestReserveUnderThreads:
    @pytest.mark.parametrize("limit", [1, 7])
    def test_hands_out_each_job_once(self, server_store, limit):
        server_store.insert_many([a_job() for _ in range(400)])
        together = threading.Barrier(8)

        def drain(_number):
            together.wait()
            return [job.id for batch in iter(lambda: reserve(server_store, limit), []) for job in batch]

        with ThreadPoolExecutor(8) as threads:
            taken = [job_id for ids in threads.map(drain, range(8)) for job_id in ids]

        assert (len(taken), len(set(taken))) == (400, 400)


class TestReserveOfDamagedDocuments:
    """Guarantee I10: that document alone is set aside with a reason, and the others are found."""

    @pytest.fixture
    def store(self, database_store):
        return database_store

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            ({"name": None}, "name is null"),
            ({"name": 5}, "name is of the wrong type int"),
            ({"handler": "rm -rf"}, "handler is of the wrong type str"),
            ({"queue": ["a"]}, "queue is of the wrong type list"),
            ({"priority": -1.5}, "priority is of the wrong type float"),
            ({"attempts": "many"}, "attempts is of the wrong type str"),
            ({"errors": {"0": "x"}}, "errors is of the wrong type dict"),
            ({"losses": None}, "losses is null"),
        ],
    )
    def test_sets_it_aside_and_goes_on(self, store, damage, reason):
        bad, good = a_job(priority=-1), a_job()
        store.insert_many([bad, good])
        store.collection.update_one({"_id": bad.id}, {"$set": damage})
        told = []
        store.queries.on_damaged = told.append

        [held] = reserve(store)

        document = stored(store, bad)
        assert held.id == good.id
        assert (document["state"], document["last_error"]) == ("failed", f"damaged: {reason}")
        assert [(one.job_id, one.reason) for one in told] == [(bad.id, f"damaged: {reason}")]
        assert "lock_token" not in document

    def test_sets_it_aside_when_a_field_is_missing(self, store):
        bad = a_job()
        store.insert(bad)
        store.collection.update_one({"_id": bad.id}, {"$unset": {"handler": ""}})

        assert reserve(store) == []
        assert stored(store, bad)["last_error"] == "damaged: handler is missing"

    @pytest.mark.parametrize("limit", [1, 10])
    def test_is_not_stopped_by_a_fence_that_cannot_be_raised(self, server_store, limit):
        bad, good = a_job(priority=-1), a_job()
        server_store.insert_many([bad, good])
        server_store.collection.update_one({"_id": bad.id}, {"$set": {"fence": "x"}})

        held = reserve(server_store, limit)

        assert [job.id for job in held] == [good.id]
        assert stored(server_store, bad)["last_error"] == "damaged: fence is of the wrong type str"

    def test_keeps_what_it_has_locked_before_the_server_came_to_such_a_fence(self, server_store):
        jobs = [a_job(), a_job(), a_job(), a_job()]
        server_store.insert_many(jobs)
        server_store.collection.update_one({"_id": jobs[2].id}, {"$set": {"fence": "x"}})

        held = [*reserve(server_store, 10), *reserve(server_store, 10)]

        assert [job.id for job in held] == [jobs[0].id, jobs[1].id, jobs[3].id]
        assert server_store.collection.count_documents({"state": "ready"}) == 0

    def test_sets_one_of_a_batch_aside(self, server_store):
        jobs = [a_job() for _ in range(5)]
        server_store.insert_many(jobs)
        server_store.collection.update_one({"_id": jobs[2].id}, {"$set": {"name": 1}})

        held = reserve(server_store, 5)

        assert [job.id for job in held] == [jobs[index].id for index in (0, 1, 3, 4)]

    def test_reads_a_batch_in_which_a_date_is_beyond_what_python_knows(self, server_store):
        jobs = [a_job(), a_job()]
        server_store.insert_many(jobs)
        server_store.collection.update_one({"_id": jobs[0].id}, {"$set": {"created_at": DatetimeMS(2**60)}})

        held = reserve(server_store, 5)

        assert [job.id for job in held] == [jobs[1].id]
        assert "created_at" in str(stored(server_store, jobs[0])["last_error"])


class TestReserveWithoutIndexes:
    @pytest.fixture
    def bare_store(self, client, clock, settings):
        return open_store(client, client.get_default_database().name, settings, clock)

    @pytest.mark.parametrize("limit", [1, 5])
    def test_works_and_warns_once(self, bare_store, limit):
        bare_store.insert_many([a_job(queue="mail"), a_job(queue="mail"), a_job()])
        warnings = []
        bare_store.queries.on_warning = warnings.append

        taken = [*reserve(bare_store, limit, queues=("mail",)), *reserve(bare_store, limit, queues=("mail",))]

        assert [job.queue for job in taken] == ["mail", "mail"]
        [warning] = warnings
        assert "ready_by_queue" in warning
        assert "mongojobs create-indexes" in warning

    def test_works_when_they_are_dropped_meanwhile(self, server_store):
        server_store.insert_many([a_job(), a_job()])
        reserve(server_store)

        server_store.collection.drop_indexes()

        assert len(reserve(server_store)) == 1


class TestAdopt:
    def test_gives_back_what_the_reserve_has_locked(self, server_store, clock):
        server_store.insert_many([a_job(priority=2), a_job(priority=1), a_job(priority=3)])
        reserve(server_store, 3)
        token = server_store.collection.find_one({})["lock_token"]
        clock.advance(seconds=10)

        adopted = server_store.adopt(token, lease=MINUTE)

        assert [job.priority for job in adopted] == [1, 2, 3]
        assert {job.locked_until for job in adopted} == {clock.now() + MINUTE}
        assert server_store.collection.count_documents({"locked_until": clock.now() + MINUTE}) == 3

    def test_gives_nothing_when_nothing_was_locked(self, server_store):
        server_store.insert(a_job())

        assert server_store.adopt("never written", lease=MINUTE) == []

    def test_leaves_out_what_was_taken_back_meanwhile(self, server_store, clock, monkeypatch):
        held = reserved(server_store, a_job())
        renew = Holding.renew

        def overtaken(holding, jobs, *, lease):
            server_store.collection.update_one({"_id": held.id}, {"$set": {"lock_token": "another"}})
            return renew(holding, jobs, lease=lease)

        monkeypatch.setattr(Holding, "renew", overtaken)

        assert server_store.adopt(held.lock_token, lease=MINUTE) == []

    def test_sets_damaged_documents_aside(self, server_store):
        held = reserved(server_store, a_job())
        server_store.collection.update_one({"_id": held.id}, {"$unset": {"name": ""}})

        assert server_store.adopt(held.lock_token, lease=MINUTE) == []
        assert stored(server_store, held)["state"] == "failed"


class TestEarliestRunAt:
    @pytest.fixture
    def store(self, database_store):
        return database_store

    def test_is_when_the_next_job_will_be_due(self, store):
        times = [START + timedelta(minutes=minutes) for minutes in (9, 3, 5)]
        store.insert_many([a_job(run_at=START), *(a_job(run_at=run_at) for run_at in times)])

        assert store.earliest_run_at(QueueSelector(), after=START) == START + timedelta(minutes=3)

    def test_is_none_when_all_are_due(self, store):
        store.insert(a_job(run_at=START))

        assert store.earliest_run_at(QueueSelector(), after=START) is None

    def test_counts_only_what_is_wanted(self, store):
        store.insert_many(
            [
                a_job(run_at=START + timedelta(minutes=1), queue="bulk"),
                a_job(run_at=START + timedelta(minutes=2), priority=9),
                a_job(run_at=START + timedelta(minutes=3), state="failed"),
                a_job(run_at=START + timedelta(minutes=4)),
            ]
        )

        wanted = QueueSelector(queues=("default", "mail"), max_priority=5)

        assert store.earliest_run_at(wanted, after=START) == START + timedelta(minutes=4)

    def test_is_in_the_past_when_a_job_fell_due_since(self, store, clock):
        store.insert(a_job(run_at=START + timedelta(seconds=1)))
        clock.advance(seconds=5)

        assert store.earliest_run_at(QueueSelector(), after=START) == START + timedelta(seconds=1)

    def test_looks_no_further_than_asked(self, store):
        store.insert(a_job(run_at=LATER))

        assert store.earliest_run_at(QueueSelector(), after=START, within=MINUTE) is None


class TestClockOfTheStore:
    def test_is_the_servers_own_unless_another_is_given(self, client):
        store: JobStore = open_store(client, "unused", Settings())

        moment = store.clock.now()

        server = client.admin.command("hello")["localTime"].replace(tzinfo=moment.tzinfo)
        assert abs(server - moment) < timedelta(seconds=5)
        assert not isinstance(store.clock, HeldClock)
