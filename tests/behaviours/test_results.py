"""What a job returned is kept where that was asked for, and one who holds the job gets it, or is told why not."""

import asyncio
import copy
import json
import logging
import pickle
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

import mongojobs
from mongojobs import (
    JobCancelled,
    JobFailed,
    NoSuchJobError,
    OptionError,
    ResultNotKeptError,
    ResultTimeoutError,
    ResultTooLargeError,
    UnstorableResultError,
    enqueue,
)
from mongojobs.core.limits import LARGEST_PAYLOAD, LARGEST_RESULT, LARGEST_STEPS
from mongojobs.core.transitions import Succeeded
from tests.support import result_jobs
from tests.support.clock import START
from tests.support.command_here import run_here
from tests.support.command_line import SAMPLE_APP
from tests.support.documents import User
from tests.support.result_jobs import Bill, Sum, Tally
from tests.support.working import work_off, working

DAY = timedelta(days=1)


@pytest.fixture
def app(configure, indexes):
    return configure()


def document_of(app, job):
    return app.store.collection.find_one({"_id": job.id})


class TestAResult:
    @pytest.mark.parametrize(
        ("enqueued", "result"),
        [
            (lambda: result_jobs.adds.delay(1, 2), 3),
            (lambda: result_jobs.adds_later.delay(1, 2), 3),
            (lambda: result_jobs.multiplies.options(keep_result="1h").delay(2, 3), 6),
            (lambda: enqueue(Sum(2, 3)), 5),
            (lambda: enqueue(Sum(2, 3), keep_result="1m"), 5),
            (lambda: Tally(count=4).save().delay(keep_result=60).doubled(), 8),
            (lambda: Tally(count=4).save().trebled(), 12),
            (lambda: result_jobs.adds.delay_many([(1, 1), (2, 2)])[1], 4),
        ],
    )
    def test_is_kept_however_that_is_said(self, app, enqueued, result):
        job = enqueued()

        work_off()

        assert job.result(timeout=0) == result

    def test_is_kept_with_the_completed_job_for_as_long_as_was_said(self, app):
        job = result_jobs.adds.options(keep_result="90m").delay(1, 2)

        work_off()

        found = document_of(app, job)
        assert (found["state"], found["returned"], found["keep_result"]) == ("completed", {"value": 3}, 5_400_000)
        assert found["expire_at"] == START + timedelta(minutes=90)

    def test_is_kept_no_shorter_than_completed_jobs_are(self, configure):
        app = configure(keep_completed="7d")
        job = result_jobs.adds.delay(1, 2)

        work_off()

        assert app.get(job.id).expire_at == START + timedelta(days=7)

    def test_comes_back_equal_in_type_and_value(self, app):
        everything, bill = result_jobs.returns_all_kinds.delay(), result_jobs.bills.delay(7)

        work_off()

        assert everything.result(0) == {
            "moment": datetime(2030, 1, 1),  # noqa: DTZ001 - a naive one
            "pair": (1, 2),
            "nothing": None,
            "large": 2**70,
        }
        assert bill.result(0) == Bill(7, Decimal("1.10"))

    def test_that_is_a_document_is_loaded_fresh(self, app):
        user = User(name="Ann").save()
        job = result_jobs.finds.delay(user)
        work_off()

        User.objects.update(name="Bea")

        assert job.result(0).name == "Bea"

    def test_of_a_plain_job_is_not_stored(self, configure):
        app = configure(keep_completed="1d")
        job = result_jobs.multiplies.delay(2, 3)

        work_off()

        assert {"returned", "keep_result"}.isdisjoint(document_of(app, job))

    def test_is_shown_by_the_command(self, app):
        job = result_jobs.adds.delay("a", "b")
        work_off()

        shown = run_here("jobs", "show", str(job.id), MONGOJOBS_APP=SAMPLE_APP).output

        assert "\nResult\n  'ab'\n" in shown

    def test_may_be_asked_for_by_whoever_finds_the_job(self, app):
        job_id = result_jobs.adds.delay(1, 2).id
        work_off()

        assert app.get(job_id).result(0) == 3
        assert app.find()[0].result(0) == 3

    def test_is_that_of_the_last_run_where_the_job_runs_again(self, app):
        job = result_jobs.runs_again.delay("7")
        [held] = app.store.reserve(mongojobs.store.jobs.QueueSelector(), token="t", by="w", lease=DAY)
        result_jobs.runs_again.delay("7")

        app.store.end(held, Succeeded({"value": "first"}))
        waiting = app.get(job.id)
        work_off()

        assert (waiting.state, waiting.returned) == ("ready", None)
        assert job.result(0) == "7 at reserve 2"

    def test_of_a_former_owner_never_appears(self, app, clock):
        job = result_jobs.adds.delay("of the new", " owner")
        [former] = app.store.reserve(mongojobs.store.jobs.QueueSelector(), token="old", by="w1", lease=DAY)
        clock.advance(days=2)
        app.store.rescue(by="w2")

        lost = app.store.end_all([(former, Succeeded({"value": "of the former owner"}))])
        work_off()
        late = app.store.end(former, Succeeded({"value": "of the former owner"}), repeated=True)

        assert ([one.id for one in lost], late) == ([job.id], False)
        assert job.result(0) == "of the new owner"


class TestAResultThatCannotBeKept:
    def test_for_its_size_is_named_and_the_job_is_done(self, configure, caplog):
        app = configure(max_result_bytes=1000)
        small, large = result_jobs.returns.delay(900), result_jobs.returns.delay(1000)

        assert work_off() == (2, 0)

        assert len(small.result(0)) == 900
        with pytest.raises(ResultTooLargeError, match=r"is done, but the result has 1\d{3} bytes, more than the 1000"):
            large.result(0)
        assert document_of(app, large)["state"] == "completed"

    def test_is_none_of_a_job_as_large_as_the_settings_allow(self, configure):
        app = configure(max_payload_bytes=LARGEST_PAYLOAD, max_result_bytes=LARGEST_RESULT)
        little = 1000
        job = result_jobs.keeps_as_much_as_it_may.delay(
            "x" * (LARGEST_PAYLOAD - little), kept=LARGEST_STEPS - little, size=LARGEST_RESULT - little
        )

        assert work_off() == (1, 0)

        assert len(job.result(0)) == LARGEST_RESULT - little
        assert len(app.get(job.id).steps[0]["value"]) == LARGEST_STEPS - little

    def test_says_what_cannot_be_stored(self, app):
        job = result_jobs.returns_a_lock.delay()

        assert work_off() == (1, 0)

        with pytest.raises(UnstorableResultError, match=r'is done, but the result\["locks"\]\[1\] is a _thread.lock'):
            job.result(0)

    def test_is_one_whose_class_raises(self, app):
        job = result_jobs.returns_something_prickly.delay()

        assert work_off() == (1, 0)

        with pytest.raises(UnstorableResultError, match="its Prickly raised RuntimeError"):
            job.result(0)

    def test_warns_in_the_log(self, app, caplog):
        job = result_jobs.returns_a_lock.delay()

        with caplog.at_level(logging.WARNING, "mongojobs"):
            work_off()

        [record] = [one for one in caplog.records if getattr(one, "event", "") == "job.result_dropped"]
        assert (record.levelname, record.job_id) == ("WARNING", str(job.id))
        assert "has LOST its result: the result" in record.getMessage()


class TestAJobWithoutAResult:
    def test_that_failed_says_what_it_raised_as_text(self, app):
        job = result_jobs.fails.delay("luck")
        work_off()

        with pytest.raises(JobFailed, match=r"Job .*fails \(id=.*failed: LookupError: no luck") as caught:
            job.result(0)

        assert (caught.value.type_name, caught.value.error) == ("LookupError", "LookupError: no luck")
        assert 'raise LookupError(f"no {word}")' in caught.value.trace
        assert caught.value.job_id == job.id

    def test_that_failed_for_its_workers_names_no_exception(self, configure, clock):
        app = configure(max_losses=1)
        job = result_jobs.adds.delay(1, 2)
        app.store.reserve(mongojobs.store.jobs.QueueSelector(), token="t", by="w1", lease=DAY)
        clock.advance(days=2)
        app.store.rescue(by="w2")

        with pytest.raises(JobFailed, match="given up: 1 worker") as caught:
            job.result(0)

        assert (caught.value.type_name, caught.value.trace) == ("", "")

    def test_that_failed_is_kept_for_the_one_who_waits(self, app):
        job = result_jobs.fails_and_goes.delay()
        work_off()

        with pytest.raises(JobFailed, match="gone"):
            job.result(0)
        assert app.get(job.id).expire_at == START + DAY

    def test_that_was_cancelled_says_why(self, app):
        discarded, cancelled = result_jobs.discards.delay(), result_jobs.adds.options(run_in=60).delay(1, 2)
        work_off()
        app.cancel(cancelled.id, by="ann", why="wrong file")

        with pytest.raises(JobCancelled, match="was cancelled: not needed") as caught:
            discarded.result(0)
        with pytest.raises(JobCancelled, match="was cancelled by ann: wrong file") as by_ann:
            cancelled.result(0)
        assert (caught.value.reason, caught.value.by) == ("not needed", "")
        assert (by_ann.value.reason, by_ann.value.by) == ("wrong file", "ann")

    def test_says_at_once_that_it_keeps_none(self, app):
        with pytest.raises(ResultNotKeptError, match="declare it with @job"):
            result_jobs.multiplies.delay(1, 2).result()

    def test_that_was_completed_by_an_older_worker_says_so(self, app):
        job = result_jobs.adds.delay(1, 2)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"state": "completed"}})

        with pytest.raises(ResultNotKeptError, match="a worker that knows no results"):
            job.result(0)

    def test_says_at_once_that_it_is_gone(self, app):
        job = result_jobs.adds.delay(1, 2)
        app.delete(job.id)

        with pytest.raises(NoSuchJobError, match=f"no job {job.id}"):
            job.result()

    @pytest.mark.parametrize("options", [{}, {"run_in": 60}])
    def test_that_waits_is_waited_for_until_the_timeout(self, app, options):
        job = result_jobs.adds.options(**options).delay(1, 2)

        with pytest.raises(ResultTimeoutError, match="has not ended in time, it is ready: see") as caught:
            job.result(timeout=0.2)

        assert isinstance(caught.value, TimeoutError)
        assert caught.value.state == "ready"

    def test_that_runs_says_so(self, app):
        job = result_jobs.adds.delay(1, 2)
        app.store.reserve(mongojobs.store.jobs.QueueSelector(), token="t", by="w", lease=DAY)

        with pytest.raises(ResultTimeoutError, match="it is running"):
            job.result(timeout=0)

    def test_refuses_a_timeout_that_is_none(self, app):
        with pytest.raises(OptionError, match="timeout must be 0 or more, got -1"):
            result_jobs.adds.delay(1, 2).result(timeout=-1)


class TestWaiting:
    def test_ends_when_the_job_has(self, app):
        waited = []
        job = result_jobs.adds.delay(1, 2)
        thread = threading.Thread(target=lambda: waited.append(job.result(timeout="60s")))
        thread.start()

        work_off()
        thread.join()

        assert waited == [3]

    def test_on_the_event_loop_does_not_block_it(self, app):
        turns = []

        async def turn():
            while True:
                turns.append(1)
                await asyncio.sleep(0.01)

        async def wait():
            turning = asyncio.create_task(turn())
            job = result_jobs.adds.options(run_in="1d").delay(1, 2)
            with pytest.raises(ResultTimeoutError):
                await job.aresult(timeout=0.5)
            turning.cancel()
            ended = result_jobs.adds.delay(1, 2)
            await asyncio.to_thread(work_off)
            return await ended.aresult(timeout=60)

        assert asyncio.run(wait()) == 3
        assert len(turns) > 10

    def test_returns_the_job_as_it_ended(self, app):
        kept, plain = result_jobs.fails.delay("luck"), result_jobs.multiplies.delay(1, 2)
        work_off()

        assert (kept.wait(0).state, plain.wait(0)) == ("failed", None)

    def test_for_a_job_that_is_not_kept_ends_when_it_is_gone(self, app):
        waited = []
        job = result_jobs.multiplies.delay(1, 2)
        thread = threading.Thread(target=lambda: waited.append(job.wait(timeout="60s")))
        thread.start()

        work_off()
        thread.join()

        assert waited == [None]


class TestAHandle:
    def test_shows_the_job_as_it_is_now(self, app):
        job = result_jobs.adds.delay(1, 2)
        work_off()

        now = job.refresh()

        assert (job.state, now.state, now.id) == ("ready", "completed", job.id)

    def test_says_that_the_job_is_gone(self, app):
        job = result_jobs.multiplies.delay(1, 2)
        work_off()

        with pytest.raises(NoSuchJobError):
            job.refresh()

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda job: pickle.loads(pickle.dumps(job))])
    def test_may_be_copied(self, app, copied):
        job = result_jobs.adds.delay(1, 2)
        work_off()

        assert copied(job) == job
        assert copied(job).result(0) == 3

    def test_asks_the_app_that_made_it(self, app, mongo_uri):
        other = mongojobs.MongoJobs(mongojobs.Settings(uri=mongo_uri, collection="others"))
        other.create_indexes()
        with other.active():
            job = result_jobs.adds.delay(1, 2)

            twice = [result_jobs.adds.options(job_id=7).delay(3, 4) for _ in range(2)]
            alike = [result_jobs.runs_again.options(on_duplicate="return").delay("7") for _ in range(2)]
            many = result_jobs.runs_again.options(on_duplicate="return").delay_many([("7",), ("8",)])
        work_off(app=other)

        assert job.result(0) == 3
        assert [one.result(0) for one in twice] == [7, 7]
        assert [one.result(0) for one in (*alike, *many)] == [f"{n} at reserve 1" for n in "7778"]
        other.close()

    def test_of_the_current_job_asks_the_app_that_is_active(self, app):
        result_jobs.looks_at_itself.delay()

        work_off()

        assert result_jobs.seen == ["running"]


class TestTheCommands:
    @pytest.fixture
    def here(self, app):
        return partial(run_here, MONGOJOBS_APP=result_jobs.__name__)

    def test_print_a_result(self, here):
        words, pair = result_jobs.adds.delay("two", " words"), result_jobs.adds.delay((1,), ("a",))
        work_off()

        assert here("jobs", "result", str(words.id)).output == "two words\n"
        assert here("jobs", "result", str(pair.id)).output == "(1, 'a')\n"
        assert json.loads(here("jobs", "result", str(words.id), "--json").stdout) == {
            "id": str(words.id),
            "result": "two words",
        }

    def test_wait_for_a_result(self, app, here):
        job = result_jobs.adds.delay(1, 2)

        with working(app=app):
            ended = here("jobs", "result", str(job.id), "--wait")

        assert (ended.exit_code, ended.stdout) == (0, "3\n")

    @pytest.mark.parametrize(
        ("made", "flags", "said"),
        [
            (lambda: result_jobs.fails.delay("luck"), (), "failed: LookupError: no luck"),
            (result_jobs.discards.delay, (), "was cancelled: not needed"),
            (result_jobs.returns_a_lock.delay, (), "is done, but the result"),
            (lambda: result_jobs.adds.options(run_in=60).delay(1, 2), (), "has not ended in time, it is ready"),
            (lambda: result_jobs.adds.options(run_in=60).delay(1, 2), ("--timeout", "0.1"), "has not ended in time"),
            (lambda: result_jobs.multiplies.options(run_in=60).delay(1, 2), ("--wait",), "does not keep its result"),
        ],
    )
    def test_say_why_there_is_none(self, here, made, flags, said):
        job = made()
        work_off()

        ended = here("jobs", "result", str(job.id), *flags)

        assert (ended.exit_code, ended.stdout) == (1, "")
        assert said in ended.stderr

    def test_name_the_command_that_prints_it(self, app):
        job = result_jobs.adds.delay(1, 2)
        work_off()

        [reason] = app.why(job.id)

        assert reason.remedy == f"to see what it returned: mongojobs jobs result {job.id}"

    def test_say_that_there_is_no_such_job(self, here):
        ended = here("jobs", "result", "nobody")

        assert (ended.exit_code, ended.stderr.startswith("Error: no job nobody")) == (1, True)

    def test_print_what_a_new_job_returned(self, app, here):
        flags = ("enqueue", f"{result_jobs.__name__}.adds", "--args", "[1, 2]", "--wait")
        with working(app=app):
            text, document = here(*flags), json.loads(here(*flags, "--json").stdout)

        assert text.stdout.splitlines()[1:] == ["It has completed.", "3"]
        assert (document["state"], document["result"]) == ("completed", 3)

    def test_say_that_the_result_of_a_new_job_could_not_be_kept(self, app, here):
        with working(app=app):
            ended = here("enqueue", f"{result_jobs.__name__}.returns_a_lock", "--wait")

        assert (ended.exit_code, ended.stdout.splitlines()[-1]) == (0, "It has completed.")
        assert ended.stderr.startswith('the result["locks"][1] is a _thread.lock')


class TestInline:
    def test_gives_the_result_at_once(self, configure):
        configure(delay_jobs=False, max_result_bytes=1000)

        assert result_jobs.bills.delay(7).result() == Bill(7, Decimal("1.10"))
        assert asyncio.run(result_jobs.adds.delay((1,), (2,)).aresult()) == (1, 2)
        assert result_jobs.adds.delay(1, 2).wait().state == "completed"
        with pytest.raises(ResultTooLargeError):
            result_jobs.returns.delay(1000).result()
        with pytest.raises(JobCancelled, match="not needed"):
            result_jobs.discards.delay().result()
        with pytest.raises(ResultNotKeptError):
            result_jobs.multiplies.delay(1, 2).result()

    def test_does_not_wait_for_what_nobody_will_run(self, configure):
        configure(delay_jobs=False)

        with pytest.raises(ResultTimeoutError, match="it ran at once, and nobody will run it again"):
            result_jobs.snoozes.delay().result()
