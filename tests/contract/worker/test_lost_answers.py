"""Answers lost between reserve and finish: what was written nevertheless is found again."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from mongojobs.core.settings import Settings
from mongojobs.store.faults import DatabaseError, is_ambiguous
from mongojobs.store.jobs import JobStore, QueueSelector, open_store
from tests.support.clock import HeldClock
from tests.support.endings import CRASHED, DESTROYED, DISCARDED, ENDINGS, ERRORED
from tests.support.failpoints import WRITE_CONCERN_ERROR, failing
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reader, reserve

NOT_CONFIRMED: dict[str, Any] = {"writeConcernError": WRITE_CONCERN_ERROR}
"""The write is made, and the answer is an error."""
NOT_SENT: dict[str, Any] = {"closeConnection": True}
"""The write is not made; for the client it looks like a lost answer."""

CLOSE_ON_FIND = {
    "configureFailPoint": "failCommand",
    "mode": {"times": 2},  # the driver tries to read twice
    "data": {"failCommands": ["find"], **NOT_SENT},
}


@pytest.fixture
def plain_store(server_store: JobStore, mongo_uri: str, clock: HeldClock) -> Iterator[JobStore]:
    """The same store through a client whose driver retries nothing."""
    with MongoClient(mongo_uri, retryWrites=False) as client:
        yield open_store(client, client.get_default_database().name, Settings(), clock)


class TestReserve:
    @pytest.mark.parametrize(("limit", "command"), [(1, "findAndModify"), (5, "update")])
    def test_whose_answer_is_lost_is_adopted(self, plain_store, administrator, limit, command):
        plain_store.insert_many([a_job() for _ in range(limit)])
        with failing(administrator, command, **NOT_CONFIRMED), pytest.raises(DatabaseError) as raised:
            plain_store.reserve(QueueSelector(), token="lost", by="w", lease=MINUTE, limit=limit)

        adopted = plain_store.adopt("lost", lease=MINUTE)

        assert is_ambiguous(raised.value)
        assert len(adopted) == limit
        assert reserve(plain_store) == []

    def test_that_never_arrived_leaves_nothing_to_adopt(self, plain_store, administrator):
        plain_store.insert(a_job())
        with failing(administrator, "findAndModify", **NOT_SENT), pytest.raises(DatabaseError) as raised:
            plain_store.reserve(QueueSelector(), token="lost", by="w", lease=MINUTE)

        assert is_ambiguous(raised.value)
        assert plain_store.adopt("lost", lease=MINUTE) == []
        assert len(reserve(plain_store)) == 1

    def test_whose_reading_back_fails_is_adopted(self, plain_store, administrator, monkeypatch):
        plain_store.insert_many([a_job(), a_job()])
        candidates = plain_store._reserving._candidates

        def last_answer(*arguments, **options):
            ids = candidates(*arguments, **options)
            administrator.admin.command(CLOSE_ON_FIND)
            return ids

        monkeypatch.setattr(plain_store._reserving, "_candidates", last_answer)
        with pytest.raises(DatabaseError):
            plain_store.reserve(QueueSelector(), token="lost", by="w", lease=MINUTE, limit=2)

        assert len(plain_store.adopt("lost", lease=MINUTE)) == 2

    def test_that_the_driver_repeats_locks_one_job_only(self, server_store, administrator):
        server_store.insert_many([a_job(), a_job()])
        with failing(administrator, "findAndModify", **NOT_SENT):
            held = reserve(server_store)

        assert len(held) == 1
        assert server_store.collection.count_documents({"state": "running"}) == 1


class TestResult:
    @pytest.mark.parametrize("how", [NOT_CONFIRMED, NOT_SENT], ids=["written", "not written"])
    @pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
    def test_whose_answer_is_lost_is_ours_when_repeated(self, plain_store, administrator, ending, how):
        plain_store.insert(a_job())
        [held] = reserve(plain_store)
        with failing(administrator, "update", "delete", **how), pytest.raises(DatabaseError) as raised:
            plain_store.end(held, ending)

        ours = plain_store.end(held, ending, repeated=True)

        assert is_ambiguous(raised.value)
        assert ours
        assert plain_store.collection.count_documents({"state": "running"}) == 0

    @pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
    def test_whose_answer_is_lost_is_written_once(self, plain_store, administrator, ending):
        plain_store.insert(a_job())
        [held] = reserve(plain_store)
        with failing(administrator, "update", "delete", **NOT_CONFIRMED), pytest.raises(DatabaseError):
            plain_store.end(held, ending)
        first = plain_store.get(held.id)

        plain_store.end(held, ending, repeated=True)

        assert plain_store.get(held.id) == first

    def test_of_many_whose_answer_is_lost_is_ours_when_repeated(self, plain_store, administrator):
        plain_store.insert_many([a_job() for _ in range(5)])
        held = reserve(plain_store, 5)
        with failing(administrator, "delete", **NOT_CONFIRMED), pytest.raises(DatabaseError):
            plain_store.finish(held)

        assert plain_store.finish(held, repeated=True) == []

    @pytest.mark.parametrize("command", ["update", "delete"])
    def test_of_many_that_ended_in_all_ways_whose_answer_is_lost_is_ours_when_repeated(
        self, plain_store, administrator, command
    ):
        plain_store.insert_many([a_job() for _ in range(4)])
        ends = [
            *zip(
                reserve(plain_store, 4),
                (ERRORED, DESTROYED, CRASHED, DISCARDED),
                strict=True,
            )
        ]
        with failing(administrator, command, **NOT_CONFIRMED), pytest.raises(DatabaseError):
            plain_store.end_all(ends)

        again = plain_store.end_all(ends, repeated=True)

        assert again == []
        assert [job.state for job in reader(plain_store).find()] == ["cancelled", "ready", "ready"]

    def test_of_many_that_failed_whose_answer_is_lost_is_ours_when_repeated_one_by_one(
        self, plain_store, administrator
    ):
        plain_store.insert_many([a_job() for _ in range(3)])
        held = reserve(plain_store, 3)
        with failing(administrator, "update", **NOT_CONFIRMED), pytest.raises(DatabaseError):
            plain_store.end_all([(job, ERRORED) for job in held])

        again = [plain_store.end(job, ERRORED, repeated=True) for job in held]

        assert again == [True] * 3
        assert {plain_store.get(job.id).attempts for job in held} == {1}


class TestRelease:
    @pytest.mark.parametrize("started", [False, True])
    def test_whose_answer_is_lost_may_be_repeated(self, plain_store, administrator, started):
        plain_store.insert_many([a_job(), a_job()])
        held = reserve(plain_store, 2)
        with failing(administrator, "update", **NOT_CONFIRMED), pytest.raises(DatabaseError):
            plain_store.release(held, started=started)

        assert plain_store.release(held, started=started) == []
        assert [plain_store.get(job.id).releases for job in held] == [int(started)] * 2
