"""``delay_jobs`` off: jobs run at once, in the caller, on the values that a worker would get."""

import asyncio
import decimal
import threading
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import (
    Discard,
    Job,
    Snooze,
    UnsavedDocumentError,
    UnstorableValueError,
    current_job,
    delay,
    enqueue,
    job,
)
from mongojobs.core.clock import SystemClock
from mongojobs.testing import mode
from tests.support.clock import START
from tests.support.command_line import ROOT
from tests.support.hostile_jobs import RAISED, RaisesASignal
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    Ceremonious,
    Newsletter,
    NoLuckError,
    Restless,
    always_fails,
    forgets_what_is_gone,
    look_at_the_job,
    remember,
    remember_later,
    remember_one,
)
from tests.support.sample_jobs import recorder as recorder_of_jobs
from tests.support.stores import reader
from tests.support.working import work_off


@pytest.fixture
def inline(configure):
    """An app that delays nothing."""
    return configure(delay_jobs=False)


@pytest.fixture
def held_system_clock(clock, monkeypatch):
    """The clock that counts where there is no server."""
    monkeypatch.setattr(SystemClock, "now", lambda _self: clock.now())
    return clock


class TestInline:
    @pytest.mark.behaviour("S18", "S122")
    def test_nothing_is_stored(self, inline):
        enqueue(Newsletter())
        remember_one.delay(1)
        Band(name="X").save().delay.play()

        assert reader(inline.store).find() == []

    @pytest.mark.behaviour("S19", "S122")
    def test_the_job_runs_during_the_enqueue(self, inline, recorder):
        enqueue(Newsletter("at once"))
        delay(Band(name="X").save()).play()

        assert recorder.deeds == ["sent", "played"]

    @pytest.mark.behaviour("S20")
    def test_the_answer_is_a_job_all_the_same(self, inline):
        job = enqueue(Newsletter(), queue="mail", priority=3)

        assert isinstance(job, Job)
        assert (job.name, job.queue, job.priority) == ("Newsletter", "mail", 3)

    def test_the_time_of_the_job_is_passed_over(self, inline, recorder):
        remember_one.options(run_at=START + timedelta(days=1)).delay("now")

        assert recorder.facts("remembered") == ["now"]

    def test_async_jobs_run_to_their_end(self, inline, recorder):
        remember_later.delay("now")

        assert recorder.facts("remembered") == ["now"]

    def test_async_jobs_run_to_their_end_inside_an_event_loop(self, inline, recorder):
        async def enqueue_one():
            remember_later.delay("now")

        asyncio.run(enqueue_one())

        assert recorder.facts("remembered") == ["now"]

    def test_many_jobs_run_too(self, inline, recorder):
        remember_one.delay_many([(1,), (2,)])

        assert recorder.facts("remembered") == [1, 2]

    def test_the_job_is_known_inside_and_not_afterwards(self, inline, recorder):
        job = look_at_the_job.delay()

        assert [seen.id for seen in recorder.facts("job")] == [job.id]
        assert current_job() is None

    def test_no_database_is_needed(self, monkeypatch, recorder):
        monkeypatch.delenv("MONGODB_URI", raising=False)
        app = mongojobs.MongoJobs(mongojobs.Settings(delay_jobs=False, db_alias="nowhere"))

        with app.active():
            remember_one.delay("without")

        assert recorder.facts("remembered") == ["without"]


FLAVOUR = ContextVar("flavour", default="plain")


@job
def season(flavour):
    FLAVOUR.set(flavour)
    decimal.getcontext().prec = 3
    recorder_of_jobs.note("seasoned", FLAVOUR.get())


@job
async def season_later(flavour):
    FLAVOUR.set(flavour)
    decimal.getcontext().prec = 3


@job
def taste():
    recorder_of_jobs.note("tasted", decimal.getcontext().prec)


@job
def discard_it():
    recorder_of_jobs.note("tried")
    raise Discard("of no use")


@job
def snooze_it():
    recorder_of_jobs.note("tried")
    raise Snooze(60)


@job(discard_on=LookupError)
def misses_a_key():
    recorder_of_jobs.note("tried")
    raise KeyError("k")


@job
def enqueues_itself():
    recorder_of_jobs.note("tried")
    enqueues_itself.options(job_id="once").delay()


gates = {}


@job
def takes_its_time():
    recorder_of_jobs.note("tried")
    gates["begun"].set()
    gates["may_end"].wait(30)


@job
def fails_when_odd(n):
    recorder_of_jobs.note("tried", n)
    if n % 2:
        raise NoLuckError(f"{n} is odd")


@pytest.fixture(params=["setting", "function", "mode"])
def any_inline(request, configure):
    """Each way to have jobs run at once."""
    ways = {"setting": False, "function": lambda: False, "mode": True}
    app = configure(delay_jobs=ways[request.param])
    with mode("inline") if request.param == "mode" else nullcontext():
        yield app


class TestWhatTheStoredJobWouldHaveDone:
    @pytest.mark.parametrize("function", [season, season_later])
    def test_it_leaves_the_callers_context_alone(self, any_inline, function):
        before = decimal.getcontext().prec

        function.delay("salty")

        assert FLAVOUR.get() == "plain"
        assert decimal.getcontext().prec == before

    def test_it_has_a_decimal_context_of_its_own(self, any_inline, recorder):
        with decimal.localcontext(decimal.Context(prec=5)):
            taste.delay()

        assert recorder.facts("tasted") == [decimal.DefaultContext.prec]

    def test_it_leaves_the_callers_context_alone_in_an_event_loop(self, any_inline):
        async def caller():
            season_later.delay("salty")
            return FLAVOUR.get()

        assert asyncio.run(caller()) == "plain"

    @pytest.mark.parametrize(
        ("function", "reason"), [(discard_it, "of no use"), (misses_a_key, "KeyError: 'k'")], ids=["discard", "error"]
    )
    def test_it_is_cancelled_and_the_caller_hears_nothing(self, any_inline, recorder, function, reason):
        ended = function.delay()

        assert recorder.deeds == ["tried"]
        assert (ended.state, ended.last_error) == ("cancelled", reason)

    def test_it_is_cancelled_where_its_document_is_gone(self, any_inline):
        band = Band(name="X").save()
        band.delete()

        assert forgets_what_is_gone.delay(band).state == "cancelled"

    def test_it_is_put_off_and_the_caller_hears_nothing(self, any_inline, recorder):
        ended = snooze_it.delay()

        assert recorder.deeds == ["tried"]
        assert (ended.state, ended.snoozes) == ("ready", 1)
        assert ended.run_at >= ended.created_at + timedelta(seconds=60)

    @pytest.mark.parametrize("name", RAISED)
    def test_no_signal_reaches_the_caller(self, any_inline, name):
        assert enqueue(RaisesASignal(name)).state != "completed"

    @pytest.mark.parametrize("name", RAISED)
    def test_of_each_signal_is_told_in_the_docs(self, name):
        assert f"\n| raises `{name}`" in (ROOT / "docs" / "inline.md").read_text(encoding="utf-8")

    def test_it_is_completed(self, any_inline):
        assert remember_one.delay(1).state == "completed"

    def test_it_runs_once_for_one_id(self, any_inline, recorder):
        first = remember_one.options(job_id="once").delay(1)

        again = remember_one.options(job_id="once").delay(2)

        assert recorder.facts("remembered") == [1]
        assert again == first

    def test_it_runs_again_once_its_id_is_forgotten(self, configure, recorder, held_system_clock):
        configure(delay_jobs=False, job_id_retention=60)
        remember_one.options(job_id="once").delay(1)

        held_system_clock.advance(seconds=61)
        remember_one.options(job_id="once").delay(2)

        assert recorder.facts("remembered") == [1, 2]

    def test_it_does_not_run_inside_of_itself(self, any_inline, recorder):
        enqueues_itself.options(job_id="once").delay()

        assert recorder.deeds == ["tried"]

    def test_it_does_not_run_beside_itself(self, any_inline, recorder):
        begun, may_end = threading.Event(), threading.Event()
        gates.update(begun=begun, may_end=may_end)
        running = threading.Thread(target=takes_its_time.options(job_id="once").delay)
        running.start()
        begun.wait(30)

        takes_its_time.options(job_id="once").delay()
        may_end.set()
        running.join()

        assert recorder.deeds == ["tried"]

    def test_it_runs_again_after_an_error(self, any_inline, recorder):
        with pytest.raises(NoLuckError):
            fails_when_odd.options(job_id="once").delay(1)

        fails_when_odd.options(job_id="once").delay(2)

        assert recorder.facts("tried") == [1, 2]

    def test_it_does_not_run_where_one_of_its_id_is_stored(self, configure, recorder):
        configure(delay_jobs=lambda job: job.handler["args"] == ["stored"])
        stored = remember_one.options(job_id="once").delay("stored")

        again = remember_one.options(job_id="once").delay("now")

        assert (again.id, again.handler["args"]) == (stored.id, ["stored"])
        assert recorder.deeds == []

    def test_it_runs_whatever_became_of_others(self, any_inline, recorder):
        with pytest.raises(NoLuckError, match="1 is odd") as caught:
            fails_when_odd.delay_many([(0,), (1,), (2,), (3,), (4,)])

        assert recorder.facts("tried") == [0, 1, 2, 3, 4]
        assert caught.value.__notes__ == ["another of these jobs raised NoLuckError: 3 is odd"]


class TestInlineHooks:
    def test_are_called_in_the_usual_order(self, inline, recorder):
        enqueue(Ceremonious())

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    def test_are_called_for_a_failure_but_not_for_giving_up(self, inline, recorder):
        with pytest.raises(NoLuckError, match="perform failed"):
            enqueue(Ceremonious(raises="perform", max_attempts=1))

        assert recorder.deeds == ["enqueue", "before", "perform", "error", "after"]

    @pytest.mark.behaviour("S26")
    def test_that_raise_before_the_job_reach_the_caller(self, inline, recorder):
        with pytest.raises(NoLuckError, match="before failed"):
            enqueue(Ceremonious(raises="before"))

        assert recorder.deeds == ["enqueue", "before", "error", "after"]


class TestInlineErrors:
    @pytest.mark.behaviour("S25")
    def test_reach_the_caller(self, inline):
        with pytest.raises(NoLuckError, match="no luck"):
            always_fails.delay()


class TestInlineValues:
    @pytest.mark.behaviour("X26")
    def test_are_copies_as_a_worker_would_get(self, inline, recorder):
        given = {"list": [1, 2]}

        remember.delay(given, when=START)

        [((seen,), keywords)] = recorder.facts("remembered")
        assert seen == given
        assert seen is not given
        assert keywords == {"when": START}

    @pytest.mark.behaviour("X26")
    def test_of_documents_are_loaded_again(self, inline, recorder):
        band = Band(name="stored").save()
        Band.objects(id=band.id).update(name="changed meanwhile")

        remember_one.delay(band)

        [seen] = recorder.facts("remembered")
        assert seen is not band
        assert seen.name == "changed meanwhile"

    def test_of_a_hook_are_not_passed_on(self, inline, recorder):
        enqueue(Restless(words=["as given"]))

        assert recorder.facts("words") == [["as given"]]

    def test_that_cannot_be_stored_are_refused(self, inline):
        with pytest.raises(UnstorableValueError, match="argument 'value'"):
            remember_one.delay(object())

    def test_of_unsaved_documents_are_refused(self, inline):
        with pytest.raises(UnsavedDocumentError):
            remember_one.delay(Band())


@pytest.fixture
def counted_comparisons(monkeypatch):
    """The jobs that were compared with others: comparing each with each is too many."""
    compared = []

    def compare(own, other):
        compared.append((own, other))
        return own is other

    monkeypatch.setattr(Job, "__eq__", compare)
    return compared


class TestDelayJobs:
    @pytest.mark.behaviour("S123")
    def test_true_stores_the_job(self, configure, recorder):
        app = configure(delay_jobs=True)

        remember_one.delay(1)

        assert recorder.deeds == []
        assert len(app.reader.find()) == 1

    @pytest.mark.behaviour("S124")
    def test_a_function_that_says_yes_stores_the_job(self, configure, recorder):
        app = configure(delay_jobs=lambda job: job.queue == "mail")

        remember_one.options(queue="mail").delay(1)

        assert recorder.deeds == []
        assert len(app.reader.find()) == 1

    @pytest.mark.behaviour("S125")
    def test_a_function_that_says_no_runs_the_job(self, configure, recorder):
        app = configure(delay_jobs=lambda job: job.queue == "mail")

        remember_one.delay(1)

        assert recorder.deeds == ["remembered"]
        assert app.reader.find() == []

    @pytest.mark.parametrize(("answer", "stored"), [(True, 1), (False, 0)])
    def test_a_function_may_take_nothing(self, configure, answer, stored):
        app = configure(delay_jobs=lambda: answer)

        remember_one.delay(1)

        assert len(app.reader.find()) == stored

    def test_a_function_may_decide_for_each_of_many(self, configure, recorder):
        app = configure(delay_jobs=lambda job: job.handler["args"] == ["later"])

        remember_one.delay_many([("now",), ("later",)])

        assert recorder.facts("remembered") == ["now"]
        assert [job.handler["args"] for job in app.reader.find()] == [["later"]]

    def test_many_jobs_are_not_compared_with_each_other(self, configure, counted_comparisons):
        app = configure(delay_jobs=lambda job: job.handler["args"][0] % 2 == 0)

        remember_one.delay_many([(n,) for n in range(100)])

        assert len(app.reader.find(limit=0)) == 50
        assert counted_comparisons == []

    def test_a_function_sees_what_the_enqueue_hook_changed(self, configure):
        app = configure(delay_jobs=lambda job: job.priority == 3)

        enqueue(Restless(priority=3))

        assert work_off() == (1, 0)
        assert app.reader.find() == []
