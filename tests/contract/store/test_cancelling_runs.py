"""Cancelling a job that runs: what its holder learns, and what becomes of it in each way in which its run may end."""

from datetime import timedelta

import pytest

from mongojobs.core.actions import CANCEL, CANCEL_RUNNING, RETRY
from mongojobs.core.errors import StateError
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.actions import sweep
from tests.support.endings import CRASHED, DEFERRED, ERRORED, GIVEN_UP, RUN_CANCELLED, SNOOZED, SUCCEEDED
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, actions, reserve, reserved, stored

READY_AGAIN = (ERRORED, SNOOZED, DEFERRED, CRASHED)
COUNTERS = ("attempts", "losses", "releases", "snoozes")


def ask(store, job, **given):
    """Ask for the end of a running *job*."""
    return actions(store).act(CANCEL_RUNNING, job.id, **given)


def cancelled(store, job=None, **given):
    """Return a job that is held, and that somebody has cancelled."""
    held = reserved(store, job or a_job())
    ask(store, held, **given)
    return held


def state(store, job):
    return stored(store, job)["state"]


class TestAsking:
    def test_leaves_the_job_to_its_holder(self, store):
        held = reserved(store, a_job())

        asked = ask(store, held, by="ann", why="wrong file")

        assert (asked.state, asked.cancelling, asked.lock_token) == ("running", True, held.lock_token)
        assert (asked.cancellation["by"], asked.cancellation["why"]) == ("ann", "wrong file")

    def test_is_refused_for_a_job_that_waits(self, store):
        job = a_job()
        store.insert(job)

        with pytest.raises(StateError, match="it is ready"):
            ask(store, job)

    def test_leaves_who_cancelled_a_waiting_job_and_why(self, store):
        job = a_job()
        store.insert(job)

        gone = actions(store).act(CANCEL, job.id, by="ann", why="wrong file")

        assert (gone.state, gone.cancelling) == ("cancelled", False)
        assert (gone.cancellation["by"], gone.cancellation["why"]) == ("ann", "wrong file")

    def test_is_forgotten_by_a_retry(self, store):
        held = cancelled(store)
        store.end(held, RUN_CANCELLED)

        assert actions(store).act(RETRY, held.id).cancellation is None


class TestAskingMany:
    def test_reaches_those_whose_locks_are_renewed_meanwhile(self, server_store, clock, monkeypatch):
        monkeypatch.setattr(sweep, "SWEPT_AT_ONCE", 2)
        held = [reserved(server_store, a_job()) for _ in range(5)]

        def renew_all(_changed, _looked_at):
            clock.advance(seconds=10)
            server_store.renew(held, lease=MINUTE)

        actions(server_store).act_on_all(CANCEL_RUNNING, JobFilter(), on_progress=renew_all)

        assert [stored(server_store, job)["cancellation"] is not None for job in held] == [True] * 5


class TestTheHolder:
    def test_learns_it_when_it_renews_the_lock(self, store, clock):
        held, other = reserved(store, a_job()), reserved(store, a_job())
        ask(store, held, by="ann")
        clock.advance(seconds=30)

        assert store.renew([held, other], lease=MINUTE) == []

        assert (held.cancellation["by"], other.cancellation) == ("ann", None)

    def test_keeps_the_lock_meanwhile(self, store, clock):
        held = cancelled(store)

        clock.advance(seconds=30)
        store.renew([held], lease=MINUTE)
        clock.advance(seconds=45)

        assert store.rescue(by="rescuer") == []

    def test_pays_for_it_only_once_somebody_has_asked(self, server_store, spy):
        held = reserved(server_store, a_job())
        spy.sent.clear()

        server_store.renew([held], lease=MINUTE)

        assert [command.command_name for command in spy.sent] == ["update"]

    def test_of_an_earlier_time_learns_nothing(self, store, clock):
        former = reserved(store, a_job())
        clock.advance(minutes=2)
        store.rescue(by="rescuer")
        [now] = reserve(store)
        ask(store, now)

        assert store.renew([former], lease=MINUTE) == [former]
        assert former.cancellation is None


class TestARunThatEnds:
    @pytest.mark.parametrize("ending", READY_AGAIN, ids=lambda one: type(one).__name__)
    def test_ends_the_job_where_it_would_have_run_again(self, store, ending):
        held = cancelled(store, by="ann")

        assert store.end(held, ending)

        document = stored(store, held)
        assert (document["state"], document["cancellation"]["by"]) == ("cancelled", "ann")
        assert [document[counter] for counter in COUNTERS] == [0, 0, 0, 0]
        assert held.cancellation["by"] == "ann"

    def test_ends_each_of_many(self, store):
        jobs = [cancelled(store), reserved(store, a_job()), cancelled(store)]

        assert store.end_all([(job, SNOOZED) for job in jobs]) == []

        assert [state(store, job) for job in jobs] == ["cancelled", "ready", "cancelled"]

    @pytest.mark.parametrize("started", [False, True])
    def test_ends_it_where_it_is_handed_back(self, store, started):
        jobs = [cancelled(store), reserved(store, a_job())]

        assert store.release(jobs, started=started) == []

        assert [state(store, job) for job in jobs] == ["cancelled", "ready"]

    def test_stands_if_it_succeeded_or_was_given_up(self, store):
        done, failed = cancelled(store, a_job(id_given=True)), cancelled(store)

        assert store.end_all([(done, SUCCEEDED), (failed, GIVEN_UP)]) == []

        assert (state(store, done), state(store, failed)) == ("completed", "failed")

    def test_stands_after_an_answer_that_was_lost(self, database_store):
        held = cancelled(database_store)
        database_store.end(held, SNOOZED)
        held.note_cancellation(None)

        assert database_store.end(held, SNOOZED, repeated=True)

        assert (state(database_store, held), held.cancelling) == ("cancelled", True)

    def test_of_a_former_holder_changes_nothing(self, store, clock):
        former = reserved(store, a_job())
        clock.advance(minutes=2)
        store.rescue(by="rescuer")
        [now] = reserve(store)
        ask(store, now)

        assert not store.end(former, SNOOZED)
        assert store.release([former], started=True) == [former]

        assert stored(store, now)["lock_token"] == now.lock_token

    @pytest.mark.parametrize("ending", [RUN_CANCELLED, ERRORED], ids=["at once", "by itself"])
    def test_frees_its_unique_key(self, store, ending):
        held = cancelled(store, a_job(unique_key="k", unique_digest="k"))

        store.end(held, ending)

        assert "unique_key" not in stored(store, held)

    @pytest.mark.parametrize("ending", [RUN_CANCELLED, SNOOZED, ERRORED], ids=lambda one: type(one).__name__)
    def test_leaves_the_call_that_came_later(self, store, ending):
        later = {"name": "later", "handler": {"v": 1}, "run_at": a_job().run_at, "queue": "q", "priority": 0}
        held = cancelled(store, a_job(unique_key="k", unique_digest="k", again=later, merged=1))

        store.end(held, ending)

        document = stored(store, held)
        assert (document["state"], document["name"]) == ("ready", "later")
        assert "cancellation" not in document


class TestARescue:
    def test_ends_a_job_that_was_cancelled(self, store, clock):
        held = cancelled(store, by="ann")
        clock.advance(minutes=2)

        [rescued] = store.rescue(by="rescuer")

        assert (rescued.cancelled, rescued.failed, rescued.losses) == (True, False, 1)
        document = stored(store, held)
        assert (document["state"], document["finished_at"].replace(tzinfo=None)) == (
            "cancelled",
            clock.now().replace(tzinfo=None),
        )
        assert "the worker worker was lost" in document["last_error"]

    def test_frees_its_unique_key(self, store, clock):
        held = cancelled(store, a_job(unique_key="k", unique_digest="k"))
        clock.advance(minutes=2)

        store.rescue(by="rescuer")

        assert "unique_key" not in stored(store, held)

    def test_does_not_overlook_a_cancellation_that_came_since_it_looked(self, server_store, clock, monkeypatch):
        held = reserved(server_store, a_job())
        clock.advance(minutes=2)
        find = server_store.queries.find

        def find_before_it_is_cancelled(*arguments, **options):
            found = list(find(*arguments, **options))
            server_store.collection.update_one({"_id": held.id}, {"$set": {"cancellation": {"at": clock.now()}}})
            return found

        monkeypatch.setattr(server_store.queries, "find", find_before_it_is_cancelled)
        assert server_store.rescue(by="rescuer") == []
        monkeypatch.undo()

        [rescued] = server_store.rescue(by="rescuer")
        assert rescued.cancelled


def test_a_hand_back_does_not_overlook_a_cancellation_that_comes_at_that_moment(server_store, clock):
    """The guard is in the write: the holder has heard nothing."""
    held = reserved(server_store, a_job())
    server_store.collection.update_one({"_id": held.id}, {"$set": {"cancellation": {"at": clock.now()}}})

    assert server_store.end(held, SNOOZED)

    assert stored(server_store, held)["state"] == "cancelled"
    assert timedelta(0) == clock.now() - held.cancellation["at"].replace(tzinfo=clock.now().tzinfo)
