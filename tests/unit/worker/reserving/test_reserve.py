"""How many jobs are reserved at once, and what happens to those locked by a reserve whose answer was lost."""

from types import SimpleNamespace

import pytest

from mongojobs.core.settings import Settings
from mongojobs.store.jobs import QueueSelector
from mongojobs.worker.reserving import reserve as reserver_module
from mongojobs.worker.reserving.reserve import Reserver, ReserveScope
from tests.support.jobs import a_job
from tests.support.worker_parts import AWAY, FakeStore


@pytest.fixture
def store():
    return FakeStore()


class NoPauses:
    def paused(self):
        return frozenset()


def reserver_of(store, **settings):
    return Reserver(store, NoPauses(), Settings(**settings), by="worker")


def quick(reserver):
    """Make it believe that a job takes no time."""
    reserver.observe(1000, 0.001)
    return reserver


def reserve_full(reserver, store, times):
    """Reserve this many batches, each as large as is wanted and full; return their sizes."""
    sizes = []
    for _ in range(times):
        sizes.append(reserver.wants(1))
        store.on("reserve", [a_job() for _ in range(200)])
        reserver.reserve(sizes[-1], beside=False)
    return sizes


class LooksForPauses:
    """Pauses, of which there are none, and when they were asked for, at moments that the test sets."""

    def __init__(self):
        self.moment = 100.0
        self.looks = []

    def paused(self):
        self.looks.append(self.moment)
        return frozenset()

    def monotonic(self):
        return self.moment


class TestPauses:
    @pytest.fixture
    def pauses(self, monkeypatch):
        pauses = LooksForPauses()
        monkeypatch.setattr(reserver_module, "time", SimpleNamespace(monotonic=pauses.monotonic))
        return pauses

    def test_are_looked_for_while_there_is_no_job_and_not_when_the_next_one_comes(self, store, pauses):
        scope = ReserveScope(store, pauses, QueueSelector())
        scope.now()
        pauses.moment = 102.1
        scope.now(is_idle=True)
        pauses.moment = 104.5
        scope.now()

        assert pauses.looks == [100.0, 102.1]

    def test_are_looked_for_by_a_worker_that_always_has_jobs(self, store, pauses):
        scope = ReserveScope(store, pauses, QueueSelector())
        scope.now()
        pauses.moment = 102.6
        scope.now()

        assert pauses.looks == [100.0, 102.6]


class TestTheSizeOfABatch:
    def test_doubles_after_each_full_one_up_to_the_read_ahead(self, store):
        reserver = quick(reserver_of(store, read_ahead=50))

        assert reserve_full(reserver, store, 8) == [1, 2, 4, 8, 16, 32, 50, 50]

    def test_falls_back_to_one_when_the_queue_was_empty(self, store):
        reserver = quick(reserver_of(store))
        reserve_full(reserver, store, 5)

        reserver.reserve(16, beside=False)

        assert reserver.wants(1) == 1

    def test_is_no_more_than_runs_in_a_quarter_of_a_second(self, store):
        reserver = quick(reserver_of(store))
        reserve_full(reserver, store, 8)

        reserver.observe(1000, 50.0)  # 0.05 s each

        assert reserver.ahead() == 5
        assert reserver.wants(1) == 6

    def test_is_one_for_slow_jobs(self, store):
        reserver = reserver_of(store)
        reserve_full(reserver, store, 8)

        reserver.observe(100, 200.0)

        assert reserver.ahead() == 0
        assert reserver.wants(1) == 1
        assert reserver.wants(0) == 0

    def test_is_one_when_nothing_may_be_read_ahead(self, store):
        reserver = quick(reserver_of(store, read_ahead=0))
        reserve_full(reserver, store, 8)

        assert [reserver.wants(room) for room in (-1, 0, 1, 8)] == [0, 0, 1, 1]

    def test_is_full_again_when_only_one_batch_is_ready(self, store):
        reserver = quick(reserver_of(store, read_ahead=100))
        reserve_full(reserver, store, 8)

        assert reserver.wants(-101) == 0
        assert reserver.wants(-100) == 100

    def test_is_no_more_than_keeps_what_waits_and_what_is_unwritten_to_two_and_a_half(self, store):
        reserver = quick(reserver_of(store, read_ahead=100))
        reserve_full(reserver, store, 8)

        assert [reserver.wants(-50, held=held) for held in (50, 150, 200, 250, 300)] == [100, 100, 50, 0, 0]

    def test_is_none_while_there_is_room_for_less_than_half_a_batch(self, store):
        reserver = quick(reserver_of(store, read_ahead=100))
        reserve_full(reserver, store, 8)

        assert [reserver.wants(-50, held=held) for held in (199, 201, 249)] == [51, 0, 0]

    def test_learns_from_the_latest_jobs(self, store):
        reserver = reserver_of(store, read_ahead=100)
        reserve_full(reserver, store, 8)
        reserver.observe(10, 100.0)

        reserver.observe(100, 0.1)

        assert reserver.ahead() == 200


class TestWorkersThatMeet:
    def test_learn_from_each_batch_how_to_keep_apart(self, store):
        reserver = reserver_of(store)
        for _ in range(2):
            reserver.reserve(10, beside=False)

        first, second = [options["spread"] for options in store.options("reserve")]

        assert first is second

    def test_do_so_in_batches_as_large_as_they_want(self, store):
        reserver = reserver_of(store, read_ahead=5000)
        store.on("reserve", [a_job()])
        for _ in range(2):
            reserver.reserve(5000, beside=False)

        assert [options["limit"] for options in store.options("reserve")] == [5000, 5000]


class TestALostAnswer:
    def test_is_made_up_for_before_the_next_reserve(self, store):
        reserver, job = reserver_of(store), a_job()
        store.on("reserve", AWAY)
        store.on("adopt", [job])
        with pytest.raises(type(AWAY)):
            reserver.reserve(1, beside=False)

        jobs, _ = reserver.reserve(1, beside=False)

        assert jobs == [job]
        assert store.called("adopt") == [store.options("reserve")[0]["token"]]
        assert len(store.called("reserve")) == 1

    def test_that_locked_nothing_does_not_hold_up_the_next_reserve(self, store):
        reserver, job = reserver_of(store), a_job()
        store.on("reserve", AWAY, [job])
        with pytest.raises(type(AWAY)):
            reserver.reserve(1, beside=False)

        jobs, _ = reserver.reserve(1, beside=False)

        assert jobs == [job]

    def test_is_remembered_while_the_database_is_away(self, store):
        reserver, job = reserver_of(store), a_job()
        store.on("reserve", AWAY)
        store.on("adopt", AWAY, AWAY, [job])
        for _ in range(3):
            with pytest.raises(type(AWAY)):
                reserver.reserve(1, beside=False)

        jobs, _ = reserver.reserve(1, beside=False)

        assert jobs == [job]
        assert len(set(store.called("adopt"))) == 1

    def test_that_cannot_be_read_is_left_to_the_rescue(self, store):
        reserver, job = reserver_of(store), a_job()
        store.on("reserve", AWAY, [job])
        store.on("adopt", OverflowError("odd"))
        with pytest.raises(type(AWAY)):
            reserver.reserve(1, beside=False)
        with pytest.raises(OverflowError):
            reserver.reserve(1, beside=False)

        jobs, _ = reserver.reserve(1, beside=False)

        assert jobs == [job]

    def test_is_what_an_answer_counts_as_that_came_half_a_lease_late(self, store, monkeypatch):
        reserver, job = reserver_of(store, lease=60), a_job()
        times = iter([0.0, 31.0, 31.0])
        monkeypatch.setattr(reserver_module, "elapsed_seconds", lambda: next(times))
        store.on("reserve", [a_job(), job])
        store.on("adopt", [job])

        jobs, expires = reserver.reserve(2, beside=False)

        assert jobs == [job]
        assert expires == 91

    def test_is_none_when_all_went_well(self, store):
        reserver = reserver_of(store)
        store.on("reserve", [a_job()], [a_job()])

        reserver.reserve(1, beside=False)
        reserver.reserve(1, beside=False)

        assert store.called("adopt") == []


class TestTheLease:
    def test_counts_from_before_the_reserve_was_sent(self, store, monkeypatch):
        reserver = reserver_of(store, lease=60)
        times = iter([100.0, 105.0])
        monkeypatch.setattr(reserver_module, "elapsed_seconds", lambda: next(times))
        store.on("reserve", [a_job()])

        _, expires = reserver.reserve(1, beside=False)

        assert expires == 160
