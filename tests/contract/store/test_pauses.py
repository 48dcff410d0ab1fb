"""Pauses of queues, as kept in the database."""

from datetime import timedelta

import pytest

from mongojobs.store.jobs import QueueSelector
from mongojobs.store.pauses import PauseStore
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reserve


@pytest.fixture
def store(database_store):
    return database_store


@pytest.fixture
def pauses(store, clock):
    return PauseStore(store.collection, clock)


class TestAPause:
    def test_is_in_force_until_the_queue_is_resumed(self, pauses):
        pauses.pause("mail", reason="the provider is down")

        [pause] = pauses.all()
        resumed = pauses.resume("mail")

        assert (pause.queue, pause.since, pause.until, pause.reason) == ("mail", START, None, "the provider is down")
        assert resumed
        assert pauses.all() == []

    def test_ends_by_itself_when_its_time_is_over(self, pauses, clock):
        pauses.pause("mail", until=START + MINUTE)
        clock.advance(minutes=1)

        assert pauses.all() == []

    def test_replaces_the_one_before(self, pauses):
        pauses.pause("mail", until=START + MINUTE)
        pauses.pause("mail", reason="for longer")

        assert [(pause.until, pause.reason) for pause in pauses.all()] == [(None, "for longer")]

    def test_of_a_queue_that_is_not_paused_cannot_be_ended(self, pauses):
        assert not pauses.resume("mail")

    @pytest.mark.parametrize("name", ["", "a,b", "$where", "x" * 257, {"$ne": None}, 7])
    def test_of_what_is_not_a_name_is_refused(self, pauses, name):
        with pytest.raises(ValueError, match="must"):
            pauses.pause(name)

        assert pauses.all() == []

    def test_document_that_somebody_damaged_is_still_a_pause(self, pauses):
        pauses.collection.insert_one({"_id": "mail", "paused": True, "since": "yesterday", "until": 7, "reason": None})

        assert [(pause.queue, pause.until) for pause in pauses.all()] == [("mail", None)]


class TestReadyQueues:
    def test_are_those_with_ready_jobs_due_or_not(self, server_store):
        server_store.insert_many(
            [
                a_job(queue="a"),
                a_job(queue="b", run_at=START + timedelta(days=1)),
                a_job(queue="c"),
                a_job(queue="d", state="failed"),
            ]
        )
        reserve(server_store, 10, queues=("c",))

        assert server_store.ready_queues() == ["a", "b"]


class TestHasDue:
    def test_says_whether_a_wanted_job_is_due(self, server_store):
        server_store.insert(a_job(queue="mail"))
        server_store.insert(a_job(queue="later", run_at=START + MINUTE))

        answers = [
            server_store.has_due(QueueSelector(queues=queues)) for queues in ((), ("mail",), ("later",), ("none",))
        ]

        assert answers == [True, True, False, False]
