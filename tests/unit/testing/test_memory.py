"""The queue in memory: only who holds the lock of a job may end its run."""

from datetime import timedelta

import pytest

from mongojobs.core.job import ErrorText
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Discarded, Errored, GivenUp, Snoozed
from mongojobs.store.jobs import QueueSelector
from mongojobs.testing.memory import MemoryStore
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job

ERROR = ErrorText(error="no luck")


@pytest.fixture
def store():
    return MemoryStore(HeldClock(), Settings)


def reserve(store, token):
    [job] = store.reserve(QueueSelector(), token=token, by="worker", lease=timedelta(minutes=1))
    return job


@pytest.fixture
def outdated(store):
    """A job as reserved by somebody who has handed it back since; another one holds it now."""
    store.insert(a_job())
    job = reserve(store, "first")
    store.release([job], started=False)
    reserve(store, "second")
    return job


class TestWhoHoldsTheLockNoMore:
    def test_cannot_finish(self, store, outdated):
        assert store.finish([outdated]) == [outdated]
        assert store.get(outdated.id).lock_token == "second"

    @pytest.mark.parametrize(
        "end",
        [
            lambda store, job: store.end(job, Errored(ERROR, START)),
            lambda store, job: store.end(job, GivenUp(ERROR, "no more attempts")),
            lambda store, job: store.end(job, GivenUp(ERROR, "no more attempts", destroy=True)),
            lambda store, job: store.end(job, Snoozed(timedelta(0))),
            lambda store, job: store.end(job, Discarded("of no use")),
        ],
    )
    def test_cannot_end_the_run_in_another_way(self, store, outdated, end):
        assert end(store, outdated) is False
        assert store.get(outdated.id).lock_token == "second"

    def test_cannot_release(self, store, outdated):
        assert store.release([outdated], started=True) == [outdated]
        assert store.get(outdated.id).lock_token == "second"


def test_a_running_job_is_not_reserved_again(store):
    store.insert(a_job())
    reserve(store, "first")

    assert store.reserve(QueueSelector(), token="second", by="worker", lease=timedelta(minutes=1)) == []
