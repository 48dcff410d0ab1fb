"""Jobs that end with a result are written many at once, each with its own, under its own lock."""

from datetime import timedelta

import pytest
from bson import ObjectId

from mongojobs.core.transitions import SUCCEEDED, Succeeded
from tests.support.clock import START
from tests.support.endings import ERRORED
from tests.support.jobs import a_job
from tests.support.stores import reserve

HOUR = timedelta(hours=1)


@pytest.fixture
def held(server_store):
    """Stores jobs that keep their results, and reserves them."""

    def held(count, **changes):
        ids = changes.pop("ids", None) or [ObjectId() for _ in range(count)]
        jobs = [a_job(id=job_id, keep_result=HOUR, **changes) for job_id in ids]
        server_store.insert_many(jobs)
        found = reserve(server_store, count)
        return sorted(found, key=lambda job: ids.index(job.id))

    return held


def returned(store, jobs):
    found = [store.get(job.id) for job in jobs]
    return [(job.state, job.returned) for job in found]


class TestManyEnds:
    def test_keep_each_its_own_result_in_its_own_type(self, server_store, held):
        jobs = held(6, ids=[7, "7", ObjectId(), "$id", 2**40, -7])
        values = [1, True, 1.0, {"$set": "$$ROOT"}, None, [1, {"a.b": "$name"}]]

        lost = server_store.end_all(
            [(job, Succeeded({"value": value})) for job, value in zip(jobs, values, strict=True)]
        )

        assert lost == []
        kept = [found["value"] for _, found in returned(server_store, jobs)]
        assert [(type(value), value) for value in kept] == [(type(value), value) for value in values]

    def test_leave_the_job_as_one_end_does(self, server_store, held):
        one, *others = held(3)

        server_store.end(one, Succeeded({"value": 1}))
        server_store.end_all([(job, Succeeded({"value": 1})) for job in others])

        documents = [server_store.collection.find_one({"_id": job.id}, {"_id": 0}) for job in (one, *others)]
        assert documents[0] == documents[1] == documents[2]
        assert documents[0]["expire_at"] == START + HOUR

    def test_name_those_that_are_not_ours(self, server_store, held):
        jobs = held(3)
        server_store.collection.update_one({"_id": jobs[1].id}, {"$set": {"lock_token": "another"}})

        lost = server_store.end_all([(job, Succeeded({"value": 1})) for job in jobs])

        assert [job.id for job in lost] == [jobs[1].id]
        assert [state for state, _ in returned(server_store, jobs)] == ["completed", "running", "completed"]

    def test_of_two_runs_of_a_job_leave_that_of_its_owner(self, server_store, held, clock):
        [former] = held(1)
        clock.advance(minutes=2)
        server_store.rescue(by="rescuer")
        [new] = reserve(server_store)

        lost = server_store.end_all([(former, Succeeded({"value": "old"})), (new, Succeeded({"value": "new"}))])

        assert lost == [former]
        assert server_store.get(new.id).returned == {"value": "new"}

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_two_runs_of_a_job_name_the_lost_one_alone_however_it_ended(self, server_store, held, clock, order):
        [former] = held(1)
        clock.advance(minutes=2)
        server_store.rescue(by="rescuer")
        [new] = reserve(server_store)

        endings = [(former, Succeeded({"value": "x" * 20_000})), (new, ERRORED)]

        assert server_store.end_all(endings[::order]) == [former]
        assert server_store.get(new.id).attempts == 1

    def test_count_as_ours_when_the_answer_was_lost(self, server_store, held):
        jobs = held(3)
        endings = [(job, Succeeded({"value": 1})) for job in jobs]
        server_store.end_all(endings)

        assert server_store.end_all(endings, repeated=True) == []

    def test_may_be_of_all_kinds(self, server_store, held):
        small, large, plain = held(2), held(2, name="large"), held(2, name="plain")
        huge = {"value": "x" * 100_000}

        lost = server_store.end_all(
            [(job, Succeeded({"value": 1})) for job in small]
            + [(job, Succeeded(huge)) for job in large]
            + [(job, SUCCEEDED) for job in plain]
        )

        assert lost == []
        assert returned(server_store, [*small, *large, *plain]) == [
            *[("completed", {"value": 1})] * 2,
            *[("completed", huge)] * 2,
            *[("completed", None)] * 2,
        ]

    def test_take_few_writes(self, server_store, held, spy):
        jobs = held(250)
        spy.sent.clear()

        server_store.end_all([(job, Succeeded({"value": number})) for number, job in enumerate(jobs)])
        updates = [len(event.command["updates"]) for event in spy.sent if event.command_name == "update"]

        assert [found["value"] for _, found in returned(server_store, jobs)] == list(range(250))
        assert updates == [1, 1, 1]
