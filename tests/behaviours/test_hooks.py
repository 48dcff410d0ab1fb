"""Hooks: which are called, in what order, with what, and what happens when one of them raises."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from mongojobs import EnqueueError, Job, OptionError, enqueue
from tests.support.sample_documents import Band, Coincidence
from tests.support.sample_jobs import (
    AlwaysFails,
    AlwaysFailsAndFailsToTell,
    AlwaysFailsAndTells,
    Ceremonious,
    Laconic,
    Meddler,
    NoLuckError,
    Patient,
    Restless,
    Snoozer,
    Wayward,
)
from tests.support.working import work_off


class TestOrder:
    @pytest.mark.behaviour("S24")
    def test_before_the_run_only_enqueue_is_called(self, app, recorder):
        enqueue(Ceremonious())

        assert recorder.deeds == ["enqueue"]

    @pytest.mark.behaviour("S24")
    def test_of_a_success(self, app, recorder):
        enqueue(Ceremonious())

        assert work_off() == (1, 0)

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    @pytest.mark.behaviour("S25")
    def test_of_a_failed_perform(self, app, recorder):
        enqueue(Ceremonious(raises="perform"))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["enqueue", "before", "perform", "error", "after"]

    @pytest.mark.behaviour("S26")
    def test_of_a_failed_before_leaves_perform_out(self, app, recorder):
        enqueue(Ceremonious(raises="before"))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["enqueue", "before", "error", "after"]

    def test_of_a_failed_success_counts_as_a_failure(self, app, recorder):
        enqueue(Ceremonious(raises="success"))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "error", "after"]

    @pytest.mark.behaviour("X12")
    def test_of_a_failed_after_has_no_error(self, app, recorder):
        job = enqueue(Ceremonious(raises="after"))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]
        assert app.get(job.id).last_error.startswith("NoLuckError: after failed")

    def test_of_a_job_that_is_given_up_ends_with_failure(self, app, recorder):
        enqueue(Ceremonious(raises="perform", max_attempts=1))

        work_off()

        assert recorder.deeds == ["enqueue", "before", "perform", "error", "after", "failure"]

    def test_of_a_snooze_has_neither_success_nor_error(self, app, recorder):
        enqueue(Snoozer())

        assert work_off() == (0, 0)

        assert recorder.deeds == ["enqueue", "before", "after"]

    def test_of_each_run_is_the_same(self, app, clock, recorder):
        enqueue(Ceremonious(raises="perform"))

        work_off()
        clock.advance(seconds=6)
        work_off()

        assert recorder.deeds == ["enqueue", *["before", "perform", "error", "after"] * 2]


class TestArguments:
    @pytest.mark.behaviour("S21", "S22", "S23")
    @pytest.mark.parametrize("hook", ["enqueue", "before", "success", "after"])
    def test_of_a_hook_are_the_job(self, app, recorder, hook):
        job = enqueue(Ceremonious())

        work_off()

        [given] = recorder.facts(hook)
        assert isinstance(given, Job)
        assert given.id == job.id

    @pytest.mark.behaviour("S25")
    def test_of_error_are_the_job_and_the_exception(self, app, recorder):
        job = enqueue(Ceremonious(raises="perform"))

        work_off()

        [(given, error)] = recorder.facts("error")
        assert given.id == job.id
        assert isinstance(error, NoLuckError)
        assert str(error) == "perform failed"

    def test_of_failure_are_the_job_with_its_error(self, app, recorder):
        enqueue(Ceremonious(raises="perform", max_attempts=1))

        work_off()

        [given] = recorder.facts("failure")
        assert (given.attempts, given.failed_at) == (1, None)
        assert given.last_error.startswith("NoLuckError: perform failed\n")

    def test_may_be_left_out(self, app, recorder):
        enqueue(Laconic())

        assert work_off() == (1, 0)

        assert recorder.deeds == ["before", "perform", "after"]

    def test_show_a_job_that_is_running(self, app, recorder):
        enqueue(Ceremonious())

        work_off()

        [before], [after] = recorder.facts("before"), recorder.facts("after")
        assert (before.state, after.state) == ("running", "running")


class TestErrors:
    def test_of_the_error_hook_replace_that_of_the_job(self, app, recorder):
        job = enqueue(Ceremonious(raises="perform error"))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["enqueue", "before", "perform", "error", "after"]
        assert app.get(job.id).last_error.startswith("NoLuckError: error failed")

    @pytest.mark.behaviour("S76")
    @pytest.mark.parametrize(("destroy", "states"), [(True, []), (False, ["failed"])])
    def test_of_the_failure_hook_change_nothing(self, configure, recorder, destroy, states):
        app = configure(destroy_failed_jobs=destroy)
        enqueue(AlwaysFailsAndFailsToTell(max_attempts=1))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["tried", "failure"]
        assert [job.state for job in app.reader.find()] == states

    @pytest.mark.behaviour("S76")
    def test_of_the_failure_hook_are_logged_with_their_traceback(self, app, caplog):
        enqueue(AlwaysFailsAndFailsToTell(max_attempts=1))

        work_off()

        [record] = [record for record in caplog.records if "Error when running" in record.getMessage()]
        assert "Error when running the failure hook: " in record.getMessage()
        assert record.trace.startswith("Traceback")
        assert "NoLuckError: nobody to tell" in record.trace


class TestTheFailureHook:
    @pytest.mark.behaviour("S75")
    @pytest.mark.parametrize("destroy", [True, False])
    def test_is_called_once_when_the_job_is_given_up(self, configure, recorder, destroy):
        configure(destroy_failed_jobs=destroy)
        enqueue(AlwaysFailsAndTells(max_attempts=1))

        work_off()

        assert recorder.deeds == ["tried", "failure"]

    def test_is_awaited(self, app, recorder):
        enqueue(Patient(), max_attempts=1)

        assert work_off() == (0, 1)

        assert recorder.deeds == ["failure"]

    def test_is_not_called_while_attempts_are_left(self, app, recorder):
        enqueue(AlwaysFailsAndTells(max_attempts=2))

        work_off()

        assert recorder.deeds == ["tried"]

    @pytest.mark.behaviour("S77")
    @pytest.mark.parametrize("destroy", [True, False])
    def test_may_be_missing(self, configure, recorder, destroy):
        configure(destroy_failed_jobs=destroy)
        enqueue(AlwaysFails(max_attempts=1))

        assert work_off() == (0, 1)

        assert recorder.deeds == ["tried"]

    def test_is_not_called_for_a_payload_that_cannot_be_loaded(self, app, recorder):
        job = enqueue(AlwaysFailsAndTells())
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.v": 0}})

        assert work_off() == (0, 1)

        assert recorder.deeds == []


class TestTheEnqueueHook:
    @pytest.mark.behaviour("X9")
    def test_may_return_a_changed_job(self, app):
        job = enqueue(Restless(), priority=9, queue="given")

        assert (job.priority, job.queue) == (3, "chosen by the hook")
        assert app.get(job.id) == job

    @pytest.mark.behaviour("X9")
    def test_does_not_change_the_payload_that_is_stored(self, app, recorder):
        enqueue(Restless(words=["as given"]))

        work_off()

        assert recorder.facts("words") == [["as given"]]

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"priority": "high"}, "priority must be a whole number between"),
            ({"priority": True}, "priority must be a whole number between"),
            ({"priority": 2**31}, "priority must be a whole number between"),
            ({"priority": None}, "priority must not be None"),
            ({"queue": 5}, "queue must be a printable text"),
            ({"queue": "a,b"}, "queue must not begin with"),
            ({"queue": None}, "queue must not be None"),
            ({"run_at": datetime(2031, 1, 1)}, "run_at .*zone"),  # noqa: DTZ001 - what it is about
            ({"run_at": 5}, "run_at must be a datetime with a time zone"),
            ({"max_attempts": 0}, "max_attempts must be a whole number of 1 or more"),
            ({"max_run_time": timedelta(0)}, "max_run_time must be more than 0"),
            ({"tags": "red"}, "tags must be a list of texts"),
            ({"meta": {"key": object()}}, r'meta\["key"\] is an object'),
            ({"meta": {"key": "x" * 20_000}}, "meta must be at most 16384 bytes"),
            ({"state": "failed"}, "state cannot be changed by a hook: it may change queue, priority, run_at"),
            ({"id": 5}, "id cannot be changed by a hook"),
            ({"handler": {}}, "handler cannot be changed by a hook"),
            ({"attempts": 3}, "attempts cannot be changed by a hook"),
        ],
    )
    def test_may_return_only_what_an_enqueue_would_take(self, app, monkeypatch, changes, problem):
        monkeypatch.setattr(Wayward, "changes", changes)

        with pytest.raises(EnqueueError, match=problem):
            enqueue(Wayward())

        assert app.reader.find() == []

    def test_may_change_all_that_an_enqueue_says(self, app, monkeypatch):
        changes = {"tags": ["red"], "meta": {"key": Decimal("1.5")}, "max_attempts": 2, "max_run_time": timedelta(1)}
        monkeypatch.setattr(Wayward, "changes", changes)

        job = app.get(enqueue(Wayward()).id)

        assert (job.tags, job.max_attempts, job.max_run_time) == (("red",), 2, timedelta(1))
        assert job.meta == {"key": {"__mj": "decimal", "v": "1.5"}}

    def test_is_checked_inline_too(self, configure, monkeypatch, recorder):
        configure(delay_jobs=False)
        monkeypatch.setattr(Wayward, "changes", {"priority": "high"})

        with pytest.raises(OptionError, match="the enqueue hook of Wayward returned a bad job: priority must be"):
            enqueue(Wayward())

        assert recorder.deeds == []

    def test_that_returns_something_else_changes_nothing(self, app, monkeypatch):
        monkeypatch.setattr(Wayward, "changes", None)

        assert enqueue(Wayward()).queue == "default"

    def test_cannot_change_the_stored_payload_in_place(self, app, recorder):
        with pytest.raises(OptionError, match="handler cannot be changed by a hook"):
            enqueue(Meddler())

        assert app.reader.find() == []

    def test_is_awaited(self, app):
        assert enqueue(Patient()).queue == "awaited"

    def test_is_awaited_beside_a_loop_that_turns(self, app):
        async def enqueue_it():
            return enqueue(Patient())

        assert asyncio.run(enqueue_it()).queue == "awaited"

    def test_that_raises_stores_nothing(self, app):
        with pytest.raises(NoLuckError, match="enqueue failed"):
            enqueue(Ceremonious(raises="enqueue"))

        assert app.reader.find() == []


class TestADocument:
    """Its methods are no hooks, even if they are called like some: delayed_job took them for hooks by chance."""

    @pytest.mark.behaviour("S132", "S133", "S134", "S135")
    def test_that_has_methods_called_like_hooks_is_left_in_peace(self, app, recorder):
        Coincidence(name="X").save().delay.work()

        assert work_off() == (1, 0)

        assert recorder.deeds == ["worked"]

    @pytest.mark.behaviour("S136", "S137")
    def test_that_has_methods_called_like_hooks_is_left_in_peace_after_a_failure(self, app, recorder):
        job = Coincidence(name="X").save().delay(max_attempts=1).quarrel()

        assert work_off() == (0, 1)

        assert recorder.deeds == ["quarrelled"]
        assert app.get(job.id).last_error.startswith("NoLuckError: by chance")

    @pytest.mark.behaviour("S138")
    def test_that_has_methods_called_like_hooks_is_left_in_peace_inline(self, configure, recorder):
        configure(delay_jobs=False)

        Coincidence(name="X").save().delay.work()

        assert recorder.deeds == ["worked"]

    @pytest.mark.behaviour("S139", "S140")
    def test_that_has_methods_called_like_hooks_is_left_in_peace_after_a_failure_inline(self, configure, recorder):
        configure(delay_jobs=False)
        document = Coincidence(name="X").save()

        with pytest.raises(NoLuckError, match="by chance"):
            document.delay.quarrel()

        assert recorder.deeds == ["quarrelled"]

    def test_has_no_overrides_either(self, app):
        job = Coincidence(name="X").save().delay.quarrel()

        work_off()

        stored = app.get(job.id)
        assert (stored.name, stored.queue) == ("Coincidence#quarrel", "default")
        assert (stored.state, stored.attempts) == ("ready", 1)

    def test_may_have_its_method_of_that_name_delayed(self, app, recorder):
        Coincidence(name="X").save().delay.after()

        assert work_off() == (1, 0)

        assert recorder.deeds == ["after"]

    def test_of_another_kind_is_not_a_job_object(self, app):
        with pytest.raises(TypeError, match="not a job object"):
            enqueue(Band(name="X").save())
