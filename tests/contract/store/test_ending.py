"""What the holder of a job may do with it, and what a former holder may not."""

import dataclasses
from datetime import timedelta

import pytest

from mongojobs.core.actions import CANCEL, RETRY
from mongojobs.core.job import ErrorText
from mongojobs.core.limits import LONGEST_ERROR, LONGEST_TRACE
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Crashed, Deferred, Discarded, Errored
from tests.support.clock import START
from tests.support.endings import (
    CRASHED,
    DEFERRED,
    DESTROYED,
    DISCARDED,
    ERROR,
    ERRORED,
    GIVEN_UP,
    HOUR,
    LATER,
    SNOOZED,
)
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, actions, reserve, reserved, stored

LOCK = {"locked_at", "locked_by", "locked_until", "lock_token"}


def taken_over(store, clock):
    """Return a job as its former owner sees it, after its lease expired and another worker reserved it."""
    former = reserved(store, a_job(), by="former")
    clock.advance(minutes=2)
    store.rescue(by="rescuer")
    reserve(store, by="new")
    return former


class TestFormerOwner:
    """Guarantee I3: nothing that a former holder of the lock does changes the job."""

    @pytest.mark.behaviour("X5", "S48", "S49")
    @pytest.mark.parametrize("repeated", [False, True])
    def test_cannot_end_the_run_of_another(self, store, clock, repeated):
        former = taken_over(store, clock)
        before = stored(store, former)

        answers = [
            store.end(former, ERRORED, repeated=repeated),
            store.end(former, GIVEN_UP, repeated=repeated),
            store.end(former, DESTROYED, repeated=repeated),
            store.end(former, SNOOZED, repeated=repeated),
            store.end(former, DEFERRED, repeated=repeated),
            store.end(former, DISCARDED, repeated=repeated),
            store.end(former, CRASHED, repeated=repeated),
        ]

        assert answers == [False] * 7
        assert stored(store, former) == before

    @pytest.mark.behaviour("X5", "X6")
    def test_cannot_finish_renew_or_release_the_job_of_another(self, store, clock):
        former = taken_over(store, clock)
        before = stored(store, former)

        answers = [
            store.finish([former]),
            store.finish([former], repeated=True),
            store.renew([former], lease=MINUTE),
            store.release([former], started=False),
            store.release([former], started=True),
        ]

        assert answers == [[former]] * 5
        assert stored(store, former) == before

    @pytest.mark.behaviour("X19")
    def test_cannot_release_by_its_name(self, store, clock):
        former = reserved(store, a_job(), by="same name")
        clock.advance(minutes=2)
        store.rescue(by="rescuer")
        [current] = reserve(store, by="same name")

        assert store.release([former], started=True) == [former]
        assert stored(store, current)["lock_token"] == current.lock_token

    def test_cannot_change_a_job_that_was_rescued_and_waits(self, store, clock):
        former = reserved(store, a_job())
        clock.advance(minutes=2)
        store.rescue(by="rescuer")

        assert not store.end(former, ERRORED, repeated=True)
        assert store.release([former], started=False) == [former]
        assert stored(store, former)["run_at"].replace(tzinfo=START.tzinfo) == START


class TestTokensAndIds:
    """A stale job and a live one in one call: the live one's token must not reach the stale one's id."""

    @pytest.fixture
    def stale_and_live(self, server_store, clock):
        stale, other = a_job(priority=1), a_job(priority=2)
        server_store.insert_many([stale, other])
        former = reserve(server_store, 2)
        clock.advance(minutes=2)
        server_store.rescue(by="rescuer")
        first, second = reserve(server_store), reserve(server_store)
        return [former[0], *second], first[0]

    def test_finish_deletes_only_the_live_one(self, server_store, stale_and_live):
        both, running_elsewhere = stale_and_live

        assert server_store.finish(both) == [both[0]]
        assert stored(server_store, running_elsewhere)["lock_token"] == running_elsewhere.lock_token
        assert server_store.get(both[1].id) is None

    def test_renew_and_release_change_only_the_live_one(self, server_store, stale_and_live):
        both, running_elsewhere = stale_and_live
        before = stored(server_store, running_elsewhere)

        assert server_store.renew(both, lease=2 * MINUTE) == [both[0]]
        assert server_store.release(both, started=False) == [both[0]]
        assert stored(server_store, running_elsewhere) == before
        assert stored(server_store, both[1])["state"] == "ready"

    def test_a_token_frees_no_job_that_another_token_holds(self, server_store):
        server_store.insert_many([a_job(), a_job()])
        [one], [other] = reserve(server_store), reserve(server_store)
        mixed = [
            dataclasses.replace(one, lock_token=other.lock_token),
            dataclasses.replace(other, lock_token=one.lock_token),
        ]

        assert server_store.finish(mixed) == mixed
        assert server_store.collection.count_documents({"state": "running"}) == 2


class TestRenew:
    @pytest.mark.behaviour("X6")
    def test_lets_the_locks_live_longer(self, store, clock):
        held = reserved(store, a_job())
        clock.advance(seconds=50)

        assert store.renew([held], lease=MINUTE) == []
        clock.advance(seconds=50)
        assert store.rescue(by="other") == []

    def test_of_nothing_is_nothing(self, store):
        assert store.renew([], lease=MINUTE) == []

    def test_of_a_deleted_job_tells_that_it_is_not_ours(self, server_store):
        held = reserved(server_store, a_job())
        server_store.collection.delete_one({"_id": held.id})

        assert server_store.renew([held], lease=MINUTE) == [held]


class TestFinish:
    def test_deletes_the_job(self, store):
        held = reserved(store, a_job())

        assert store.finish([held]) == []
        assert store.get(held.id) is None

    def test_of_nothing_is_nothing(self, store):
        assert store.finish([]) == []

    def test_of_many_deletes_them_in_one_write(self, server_store):
        server_store.insert_many([a_job() for _ in range(20)])

        assert server_store.finish([*reserve(server_store, 10), *reserve(server_store, 10)]) == []
        assert server_store.collection.count_documents({}) == 0

    def test_keeps_a_job_whose_id_the_caller_chose_for_a_while(self, store):
        held = reserved(store, a_job(id="order-1", id_given=True))

        assert store.finish([held]) == []
        kept = store.get("order-1")
        assert (kept.state, kept.finished_at) == ("completed", START)
        assert kept.expire_at == START + store.settings.job_id_retention
        assert kept.lock_token is None

    def test_says_which_jobs_are_gone_when_the_answer_was_lost_and_when_not(self, server_store):
        server_store.insert_many([a_job() for _ in range(3)])
        held = reserve(server_store, 3)
        server_store.collection.delete_one({"_id": held[1].id})

        assert server_store.finish(held, repeated=False) == [held[0]]
        assert server_store.finish(held, repeated=True) == []

    def test_repeated_counts_a_job_completed_by_the_same_run_as_ours(self, store):
        held = reserved(store, a_job(id="order-1", id_given=True))
        store.finish([held])

        assert store.finish([held]) == []
        assert store.finish([held], repeated=True) == []


class ARun:
    """A run that has ended after this many seconds."""

    stopping = lost = False
    record = None

    def __init__(self, seconds):
        self.seconds = seconds


class TestTheLastRun:
    """What is kept of it, where the job is kept."""

    @pytest.fixture
    def settings(self):
        return Settings(keep_completed="1h")

    def test_of_one_that_completed_is_kept(self, store):
        job = reserved(store, a_job(), by="web.1")
        job.begin(ARun(1.5))

        store.finish([job])

        kept = store.get(job.id)
        assert (kept.ran_by, kept.took) == ("web.1", timedelta(seconds=1.5))

    def test_of_many_that_completed_together_is_each_its_own(self, server_store):
        server_store.insert_many([a_job(), a_job(), a_job()])
        jobs = reserve(server_store, limit=3, by="web.1")
        for seconds, job in enumerate(jobs, start=1):
            job.begin(ARun(seconds))

        assert server_store.finish(jobs) == []

        assert [server_store.get(job.id).took for job in jobs] == [timedelta(seconds=n) for n in (1, 2, 3)]

    def test_of_one_that_failed_or_gave_itself_up_is_kept(self, store):
        failing, giving_up = reserved(store, a_job(), by="web.1"), reserved(store, a_job(), by="web.1")
        failing.begin(ARun(2))
        giving_up.begin(ARun(3))

        store.end(failing, GIVEN_UP)
        store.end(giving_up, DISCARDED)

        kept = [store.get(job.id) for job in (failing, giving_up)]
        assert [(job.ran_by, job.took) for job in kept] == [("web.1", timedelta(seconds=n)) for n in (2, 3)]

    def test_is_forgotten_when_it_is_to_run_again(self, store):
        job = reserved(store, a_job(), by="web.1")
        store.end(job, GIVEN_UP)

        retried = actions(store).act(RETRY, job.id)

        assert (retried.ran_by, retried.took) == (None, None)

    def test_that_never_began_took_no_time(self, store):
        job = reserved(store, a_job(), by="web.1")

        store.finish([job])

        assert store.get(job.id).took is None


class TestTheNumberOfAnAttempt:
    def test_goes_on_after_a_retry_though_all_attempts_are_before_the_job_again(self, store):
        job = reserved(store, a_job())
        store.end(job, Errored(ERROR, START))
        [job] = reserve(store)
        store.end(job, GIVEN_UP)
        actions(store).act(RETRY, job.id)
        [job] = reserve(store)

        store.end(job, Errored(ERROR, START))

        assert [error["attempt"] for error in store.get(job.id).errors] == [1, 2, 3]
        assert store.get(job.id).attempts == 1

    def test_goes_on_in_the_error_of_a_worker_that_was_lost_after_a_retry(self, store, clock):
        job = reserved(store, a_job())
        store.end(job, GIVEN_UP)
        actions(store).act(RETRY, job.id)
        reserve(store)
        clock.advance(minutes=2)

        store.rescue(by="w")

        assert [error["attempt"] for error in store.get(job.id).errors] == [1, 1]

    @pytest.mark.parametrize("number", [None, "x", -1, 2.5, 2**60])
    def test_starts_over_where_nobody_can_tell(self, store, number):
        job = reserved(store, a_job(errors=({"attempt": number},)))

        store.end(job, GIVEN_UP)

        assert store.get(job.id).errors[-1]["attempt"] == 1


class TestFinishKeepingCompleted:
    @pytest.fixture
    def settings(self):
        return Settings(keep_completed="2h", job_id_retention="1h")

    def test_keeps_every_job_that_long(self, store):
        held = reserved(store, a_job())

        store.finish([held])

        kept = store.get(held.id)
        assert (kept.state, kept.expire_at) == ("completed", START + timedelta(hours=2))

    def test_keeps_jobs_whose_id_the_caller_chose_no_shorter(self, store):
        held = reserved(store, a_job(id="order-1", id_given=True))

        store.finish([held])

        assert store.get("order-1").expire_at == START + timedelta(hours=2)


class TestReschedule:
    @pytest.mark.behaviour("S50")
    def test_makes_the_job_ready_later_with_the_error_and_without_the_lock(self, store, clock):
        held = reserved(store, a_job(), by="w1")
        clock.advance(seconds=1)

        assert store.end(held, ERRORED)

        job, document = store.get(held.id), stored(store, held)
        assert (job.state, job.attempts, job.run_at, job.fence) == ("ready", 1, LATER, 1)
        assert job.last_error == "ValueError: no\nline 1\nline 2"
        [entry] = job.errors
        assert {**entry, "at": None} == {
            "at": None,
            "attempt": 1,
            "error": "ValueError: no",
            "trace": "line 1\nline 2",
            "worker": "w1",
        }
        assert not LOCK & document.keys()

    def test_repeated_counts_what_was_written_by_the_first_try_as_ours(self, store):
        held = reserved(store, a_job())
        store.end(held, ERRORED)

        assert store.end(held, ERRORED, repeated=True)
        assert not store.end(held, ERRORED)
        assert store.get(held.id).attempts == 1

    @pytest.mark.behaviour("X30")
    def test_cuts_texts_to_size_and_keeps_the_last_ten_errors(self, store):
        old = tuple({"at": START, "attempt": n, "error": "e", "trace": "", "worker": "w"} for n in range(10))
        held = reserved(store, a_job(errors=old, attempts=10))
        huge = ErrorText(error="\N{SNOWMAN}" * 20_000_000, trace="t" * 1_000_000)

        store.end(held, Errored(huge, LATER))

        errors = store.get(held.id).errors
        assert [entry["attempt"] for entry in errors] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
        assert len(errors[-1]["error"].encode()) <= LONGEST_ERROR
        assert len(errors[-1]["trace"].encode()) <= LONGEST_TRACE
        assert errors[-1]["error"].endswith("... (cut)")

    @pytest.mark.parametrize("text", ["$secret", "$$ROOT", "{$ne: null}", "a.b", "nul\0", "\ud800 alone"])
    def test_keeps_texts_as_they_are_and_evaluates_none(self, store, text):
        held = reserved(store, a_job(meta={"secret": "s3cr3t"}))

        store.end(held, Errored(ErrorText(error=text, trace=text), LATER))

        entry = store.get(held.id).errors[0]
        assert entry["error"] == entry["trace"] == text.replace("\ud800", "?")

    def test_works_on_a_document_that_somebody_edited_while_it_ran(self, database_store):
        held = reserved(database_store, a_job())
        database_store.collection.update_one({"_id": held.id}, {"$set": {"attempts": "many", "errors": "none"}})

        assert database_store.end(held, ERRORED)
        assert (database_store.get(held.id).attempts, len(database_store.get(held.id).errors)) == (1, 1)


class TestFail:
    @pytest.mark.behaviour("X7")
    def test_gives_up_on_the_job_and_keeps_it_without_a_lock(self, store, clock):
        held = reserved(store, a_job(attempts=24))
        clock.advance(seconds=1)

        assert store.end(held, GIVEN_UP)

        job = store.get(held.id)
        assert (job.state, job.attempts, job.failed_at, job.finished_at) == ("failed", 25, clock.now(), clock.now())
        assert job.last_error == ERROR.full
        assert job.expire_at is None
        assert not LOCK & stored(store, held).keys()

    def test_destroys_it_if_told_to(self, store):
        held = reserved(store, a_job())

        assert store.end(held, DESTROYED)
        assert store.get(held.id) is None

    def test_keeps_a_job_whose_id_the_caller_chose_for_a_while_instead_of_destroying_it(self, store):
        held = reserved(store, a_job(id=7, id_given=True))

        assert store.end(held, DESTROYED)

        job = store.get(7)
        assert (job.state, job.expire_at) == ("failed", START + store.settings.job_id_retention)

    def test_repeated_counts_what_was_written_by_the_first_try_as_ours(self, store):
        kept, destroyed = reserved(store, a_job()), reserved(store, a_job())
        store.end(kept, GIVEN_UP)
        store.end(destroyed, DESTROYED)

        assert store.end(kept, GIVEN_UP, repeated=True)
        assert store.end(destroyed, DESTROYED, repeated=True)
        assert not store.end(kept, GIVEN_UP)
        assert not store.end(destroyed, DESTROYED)


class TestCrash:
    CRASH = ErrorText(error="killed by signal 11 (SIGSEGV)")

    def test_makes_the_job_ready_at_once_with_the_error_and_counts_a_loss_only(self, store):
        held = reserved(store, a_job(attempts=2), by="w1")

        assert store.end(held, Crashed(self.CRASH))

        job = store.get(held.id)
        assert (job.state, job.losses, job.run_at) == ("ready", 1, START)
        assert (job.attempts, job.releases, job.snoozes) == (2, 0, 0)
        assert job.last_error == "killed by signal 11 (SIGSEGV)"
        assert (job.errors[0]["worker"], job.errors[0]["attempt"]) == ("w1", 2)
        assert not LOCK & stored(store, held).keys()

    def test_lets_the_job_wait_from_the_second_loss_on(self, store):
        held = reserved(store, a_job(losses=1))

        store.end(held, Crashed(self.CRASH))

        assert store.get(held.id).run_at == START + timedelta(seconds=6)

    def test_gives_up_on_the_job_at_max_losses(self, store):
        held = reserved(store, a_job(losses=2))

        store.end(held, Crashed(self.CRASH))

        job = store.get(held.id)
        assert (job.state, job.losses, job.attempts, job.failed_at, job.finished_at) == ("failed", 3, 0, START, START)
        assert job.last_error.startswith("given up: lost 3 times (max_losses is 3); at last, killed by signal 11")

    def test_repeated_counts_what_was_written_by_the_first_try_as_ours(self, store):
        held = reserved(store, a_job())
        store.end(held, Crashed(self.CRASH))

        assert store.end(held, Crashed(self.CRASH), repeated=True)
        assert not store.end(held, Crashed(self.CRASH))
        assert store.get(held.id).losses == 1


class TestSnooze:
    def test_makes_the_job_ready_later_and_counts_nothing_but_the_snooze(self, store):
        held = reserved(store, a_job(attempts=2))

        assert store.end(held, SNOOZED)

        job = store.get(held.id)
        assert (job.state, job.run_at, job.snoozes) == ("ready", LATER, 1)
        assert (job.attempts, job.losses, job.releases, job.errors) == (2, 0, 0, ())

    def test_repeated_counts_what_was_written_by_the_first_try_as_ours(self, store):
        held = reserved(store, a_job())
        store.end(held, SNOOZED)

        assert store.end(held, SNOOZED, repeated=True)
        assert not store.end(held, SNOOZED)
        assert store.get(held.id).snoozes == 1


class TestDefer:
    def test_makes_the_job_ready_later_with_the_reason_and_counts_nothing(self, store):
        held = reserved(store, a_job(attempts=2, errors=({"error": "e"},), last_error="e"))

        assert store.end(held, Deferred("$unknown", HOUR))

        job = store.get(held.id)
        assert (job.state, job.run_at, job.deferred_reason, job.deferred_since) == ("ready", LATER, "$unknown", START)
        assert (job.attempts, job.losses, job.releases, job.snoozes, job.last_error) == (2, 0, 0, 0, "e")
        assert not LOCK & stored(store, job).keys()

    def test_keeps_since_when_it_is_so(self, store, clock):
        store.end(reserved(store, a_job()), Deferred("r", timedelta(0)))
        clock.advance(minutes=1)
        [held] = reserve(store)

        store.end(held, Deferred("another", HOUR))

        job = store.get(held.id)
        assert (job.deferred_since, job.deferred_reason) == (START, "another")

    def test_cuts_the_reason_to_size(self, store):
        held = reserved(store, a_job())

        store.end(held, Deferred("x" * 100_000, HOUR))

        assert len(store.get(held.id).deferred_reason) <= 8 * 1024

    @pytest.mark.parametrize(
        "end",
        [
            lambda store, job: store.end(job, ERRORED),
            lambda store, job: store.end(job, GIVEN_UP),
            lambda store, job: store.end(job, CRASHED),
            lambda store, job: store.end(job, SNOOZED),
            lambda store, job: store.end(job, DISCARDED),
            lambda store, job: store.release([job], started=True),
            lambda store, job: store.finish([job]),
        ],
        ids=["reschedule", "fail", "crash", "snooze", "discard", "release", "finish"],
    )
    def test_is_forgotten_at_the_end_of_a_run_of_another_worker(self, store, end):
        store.end(reserved(store, a_job(id_given=True)), Deferred("r", timedelta(0)))
        [held] = reserve(store)

        end(store, held)

        assert not {"deferred_since", "deferred_reason"} & stored(store, held).keys()

    def test_is_remembered_when_a_job_is_handed_back_that_nobody_began(self, store):
        store.end(reserved(store, a_job()), Deferred("r", timedelta(0)))
        [held] = reserve(store)

        store.release([held], started=False)

        assert store.get(held.id).deferred_reason == "r"

    def test_is_forgotten_when_a_person_retries_the_job(self, store):
        job = reserved(store, a_job())
        store.end(job, Deferred("r", HOUR))
        actions(store).act(CANCEL, job.id)

        actions(store).act(RETRY, job.id)

        assert not {"deferred_since", "deferred_reason"} & stored(store, job).keys()


class TestDiscard:
    def test_cancels_the_job_with_the_reason(self, store):
        held = reserved(store, a_job())

        assert store.end(held, Discarded("$not needed"))

        job = store.get(held.id)
        assert (job.state, job.last_error, job.finished_at, job.attempts) == ("cancelled", "$not needed", START, 0)

    def test_repeated_counts_what_was_written_by_the_first_try_as_ours(self, store):
        held = reserved(store, a_job())
        store.end(held, DISCARDED)

        assert store.end(held, DISCARDED, repeated=True)
        assert not store.end(held, DISCARDED)


class TestEndAll:
    """What the single ones do, for many jobs in one round trip."""

    ENDINGS = (ERRORED, GIVEN_UP, SNOOZED, DEFERRED, DISCARDED)

    def test_writes_each_in_its_own_way(self, store):
        jobs = [reserved(store, a_job()) for _ in self.ENDINGS]

        lost = store.end_all([*zip(jobs, self.ENDINGS, strict=True)])

        now = [stored(store, job) for job in jobs]
        assert lost == []
        assert [document["state"] for document in now] == ["ready", "failed", "ready", "ready", "cancelled"]
        assert [(document["attempts"], document["snoozes"]) for document in now] == [
            (1, 0),
            (1, 0),
            (0, 1),
            (0, 0),
            (0, 0),
        ]
        assert not any(LOCK & document.keys() for document in now)

    def test_says_which_were_not_ours_and_changes_nothing_of_them(self, server_store):
        server_store.insert_many([a_job() for _ in range(5)])
        jobs = reserve(server_store, 5)
        taken = {"lock_token": "another", "fence": 2}
        server_store.collection.update_many({"_id": {"$in": [jobs[0].id, jobs[4].id]}}, {"$set": taken})
        before = stored(server_store, jobs[0])

        lost = server_store.end_all([*zip(jobs, self.ENDINGS, strict=True)])

        assert lost == [jobs[0], jobs[4]]
        assert stored(server_store, jobs[0]) == before


class TestRelease:
    def test_of_jobs_not_started_leaves_no_trace_but_the_fence(self, store):
        job = a_job()
        held = reserved(store, job)

        assert store.release([held], started=False) == []
        assert store.get(job.id) == dataclasses.replace(job, fence=1)

    def test_of_started_jobs_is_counted_and_is_no_attempt(self, store):
        held = reserved(store, a_job())

        assert store.release([held], started=True) == []

        job = store.get(held.id)
        assert (job.state, job.releases, job.attempts, job.run_at) == ("ready", 1, 0, START)

    def test_makes_the_jobs_reservable_at_once(self, server_store):
        server_store.insert_many([a_job() for _ in range(4)])
        held = reserve(server_store, 4)

        server_store.release(held[:2], started=True)
        server_store.release(held[2:], started=False)

        assert len(reserve(server_store, 4)) == 4

    def test_for_the_last_time_gives_up_with_a_text_about_stops(self, store):
        held = reserved(store, a_job(releases=2))

        assert store.release([held], started=True) == []

        job = store.get(held.id)
        assert (job.state, job.releases, job.attempts, job.failed_at) == ("failed", 3, 0, START)
        assert "its worker was stopped 3 times" in job.last_error
        assert "max_releases" in job.errors[0]["error"]

    def test_may_be_repeated(self, store):
        held = reserved(store, a_job(releases=1))
        store.release([held], started=True)

        assert store.release([held], started=True) == []
        assert store.get(held.id).releases == 2

    def test_of_jobs_that_differ_in_their_count_counts_each(self, store):
        store.insert_many([a_job(releases=releases) for releases in (0, 1, 2)])
        held = [*reserve(store), *reserve(store), *reserve(store)]

        assert store.release(held, started=True) == []
        assert [(store.get(job.id).releases, store.get(job.id).state) for job in held] == [
            (1, "ready"),
            (2, "ready"),
            (3, "failed"),
        ]
