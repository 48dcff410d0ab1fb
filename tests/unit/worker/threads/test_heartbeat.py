"""Keeping the locks: renewed in time, given up when that fails for a lease, released when their slots stay busy."""

import threading

import pytest
from pymongo.errors import OperationFailure

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import CallbackRaised, DatabaseAway, DatabaseBack, JobLost
from mongojobs.core.settings import Settings
from mongojobs.worker import outage as outage_module
from mongojobs.worker.outage import Outage
from mongojobs.worker.threads import heartbeat as heartbeat_module
from mongojobs.worker.threads.heartbeat import Heartbeat
from tests.support.waiting import LONG, eventually
from tests.support.worker_parts import AWAY, FakeStore, HitWhileCleared, Told, a_held, in_flight_of


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def beating(store, told, monkeypatch):
    """Starts a thread that renews the locks of what is in flight."""
    monkeypatch.setattr(outage_module, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(outage_module, "LONGEST_DELAY_SECONDS", 0.002)
    monkeypatch.setattr(heartbeat_module, "PAUSE_SECONDS", 0.01)
    begun = []

    def begin(in_flight, *, beat=lambda: None, heartbeat=0.02, lease=10):
        settings = Settings(heartbeat=heartbeat, lease=lease)
        reporter = Reporter(told, "worker")
        one = Heartbeat(lambda: store, in_flight, reporter, settings, Outage(reporter))
        one.beat = beat
        thread = threading.Thread(target=one.run)
        thread.start()
        begun.append((one, thread))
        return one

    yield begin
    for one, thread in begun:
        one.stop()
        thread.join(30)
        assert not thread.is_alive()


class TestTheHeartbeat:
    @pytest.mark.behaviour("X6")
    def test_renews_all_that_is_held(self, store, beating):
        running, waiting = a_held(expires_in=5), a_held(expires_in=5)
        in_flight = in_flight_of(running, waiting)
        in_flight.take(is_async=False)
        until = running.expires

        beating(in_flight)

        eventually(lambda: len(store.called("renew")) >= 3)
        assert {job.id for job in store.called("renew")[0]} == {running.job.id, waiting.job.id}
        assert running.expires > until

    def test_asks_nothing_while_nothing_is_held(self, store, beating):
        beats = []

        beating(in_flight_of(), beat=lambda: beats.append(1), lease=0.1)
        eventually(lambda: len(beats) >= 3)

        assert store.calls == []

    def test_gives_up_what_is_no_longer_ours(self, store, told, beating):
        held = a_held()
        in_flight = in_flight_of(held)
        in_flight.take(is_async=False)
        store.on("renew", [held.job])

        beating(in_flight)

        eventually(lambda: held.job.lost)
        assert [notice.job for notice in told.of(JobLost)] == [held.job]
        assert in_flight.all() == []

    def test_gives_up_what_could_not_be_renewed_for_a_lease(self, store, told, beating):
        held = a_held(expires_in=0.1)
        in_flight = in_flight_of(held)
        in_flight.take(is_async=False)
        store.on("renew", *[AWAY] * 100_000)

        beating(in_flight)

        eventually(lambda: told.of(JobLost))
        assert held.is_given_up

    def test_renews_again_at_once_when_the_answer_took_most_of_the_lease(self, store, told, monkeypatch):
        held = a_held()
        in_flight = in_flight_of(held)
        in_flight.take(is_async=False)
        now = [elapsed_seconds()]
        monkeypatch.setattr(heartbeat_module, "elapsed_seconds", lambda: now[0])
        reporter = Reporter(told, "worker")
        one = Heartbeat(lambda: store, in_flight, reporter, Settings(heartbeat=500, lease=1000), Outage(reporter))
        store.on("renew", lambda: now.append(now.pop() + 900) or [])

        seconds_to_wait = one._turn()

        assert seconds_to_wait == 0
        assert not held.lost

    def test_believes_the_database_when_it_still_holds_an_expired_lock(self, store, told, beating):
        held = a_held(expires_in=-1)
        in_flight = in_flight_of()
        in_flight._running[held] = None  # the process was paused in the middle of the run

        beating(in_flight)

        eventually(lambda: not held.job.lost)
        assert told.of(JobLost) == []

    def test_tells_an_outage_once_and_goes_on(self, store, told, beating):
        in_flight = in_flight_of(a_held())
        in_flight.take(is_async=False)
        store.on("renew", *[AWAY] * 10)

        beating(in_flight)

        eventually(lambda: len(store.called("renew")) >= 12)
        assert len(told.of(DatabaseAway)) == 1

    def test_stores_what_has_moved_since_with_the_renewal(self, store, beating):
        telling, silent = a_held(), a_held()
        telling.job.set_progress(3)

        beating(in_flight_of(telling, silent))

        eventually(lambda: len(store.called("renew")) >= 3)
        assert store.called("renew")[:2] == [[silent.job], []]  # first those that need not wait for what others tell
        assert [options["telling"] for options in store.options("renew")[:3]] == [[], [telling.job], []]
        assert store.called("tell") == []

    def test_stores_what_may_be_large_apart_once_all_locks_are_renewed(self, store, beating):
        large, brief = a_held(), a_held()
        brief.job.set_progress(3)
        with large.job.step("fetch") as step:
            step.done("much")

        beating(in_flight_of(large, brief))

        eventually(lambda: len(store.called("renew")) >= 3)
        assert store.called("renew")[:2] == [[large.job], []]
        assert store.called("tell") == [[large.job]]

    def test_stores_what_others_tell_where_that_of_one_cannot_be_stored(self, store, told, beating):
        held = [a_held() for _ in range(3)]
        for one in held:
            with one.job.step("fetch") as step:
                step.done("much")
        refused = OperationFailure("too large", 17419)
        store.on("tell", refused, [], refused, [])

        beating(in_flight_of(*held), heartbeat=LONG, lease=3 * LONG)

        eventually(lambda: held[2].record.stored)
        assert [one.record.is_moved for one in held] == [False, True, False]
        assert [len(jobs) for jobs in store.called("tell")] == [3, 1, 1, 1]

    def test_does_not_let_locks_depend_on_what_is_told(self, store, told, beating):
        held = a_held()
        held.job.set_progress(3)
        store.on("renew", AWAY)
        store.on("tell", AWAY, AWAY)

        beating(in_flight_of(held))

        eventually(lambda: len(store.called("renew")) >= 5)
        telling = [options["telling"] for options in store.options("renew")]
        assert telling[:5] == [[held.job], [], [], [], []]
        assert store.called("tell") == [[held.job]] * 3

    def test_lives_through_anything(self, store, told, beating):
        in_flight = in_flight_of(a_held())
        in_flight.take(is_async=False)
        store.on("renew", ValueError("a bug"), ZeroDivisionError())

        beating(in_flight)

        eventually(lambda: len(store.called("renew")) >= 4)
        assert len(told.of(CallbackRaised)) == 2

    def test_renews_although_the_worker_cannot_show_that_it_lives(self, store, beating):
        in_flight = in_flight_of(a_held())
        in_flight.take(is_async=False)

        def beat():
            raise AWAY

        beating(in_flight, beat=beat)

        eventually(lambda: len(store.called("renew")) >= 3)

    def test_reports_what_it_could_not_until_it_can_and_no_end_of_the_outage_before(self, store, told, beating):
        store.on("renew", [], *[AWAY] * 5, [])
        heartbeat = beating(in_flight_of(), beat=lambda: store.renew([]), heartbeat=LONG, lease=3 * LONG)
        eventually(lambda: store.calls)

        heartbeat.beat_soon()
        eventually(lambda: told.of(DatabaseAway))
        heartbeat.look()
        eventually(lambda: told.of(DatabaseBack))

        assert len(store.calls) == 7
        assert len(told.of(DatabaseAway)) == len(told.of(DatabaseBack)) == 1

    def test_ends_at_a_stop_that_comes_while_it_wakes(self, store, told):
        reporter = Reporter(told, "worker")
        heartbeat = Heartbeat(lambda: store, in_flight_of(), reporter, Settings(), Outage(reporter))
        heartbeat._wake = HitWhileCleared(heartbeat.stop)

        thread = threading.Thread(target=heartbeat.run, daemon=True)
        thread.start()
        thread.join(30)

        assert not thread.is_alive()


class TestWhatWaitsForABusySlot:
    def test_is_released_after_half_a_second(self, store, beating):
        busy, waiting = a_held(), a_held()
        in_flight = in_flight_of(busy, waiting)
        in_flight.take(is_async=False)

        beating(in_flight, heartbeat=5).look()

        eventually(lambda: store.called("release"))
        assert store.called("release") == [[waiting.job]]
        assert store.options("release") == [{"started": False}]
        assert in_flight.all() == [busy]

    def test_is_released_again_when_no_answer_came_and_begins_in_no_case(self, store, beating):
        busy, waiting = a_held(), a_held()
        in_flight = in_flight_of(busy, waiting)
        in_flight.take(is_async=False)
        in_flight.return_waiting()
        store.on("release", AWAY, AWAY)

        beating(in_flight, heartbeat=5)
        in_flight.ended(busy)
        in_flight.written([busy])

        eventually(in_flight.is_empty)
        assert store.called("release") == [[waiting.job]] * 3

    def test_is_forgotten_when_the_release_had_been_done(self, store, beating):
        waiting = a_held()
        in_flight = in_flight_of(waiting)
        in_flight.return_waiting()
        store.on("renew", [waiting.job])

        beating(in_flight)

        eventually(in_flight.is_empty)
