"""Modes: where jobs go while one is active, and that everything is as before afterwards."""

import asyncio
import math
import threading
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import (
    ArgumentsError,
    ConfigurationError,
    ConnectionMissingError,
    Job,
    MongoJobs,
    NotAJobError,
    Settings,
    UnstorableValueError,
    enqueue,
)
from mongojobs.testing import Mode, drain, enqueued_jobs, mode, travel
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    Ceremonious,
    Newsletter,
    NewsletterOfQueue,
    NoLuckError,
    NotDeclared,
    Recipe,
    always_fails,
    cook,
    remember,
    remember_as_declared,
    remember_later,
    remember_one,
)


class TestFake:
    def test_keeps_jobs_in_memory_without_any_database(self, recorder):
        with mode("fake"):
            job = remember_one.delay(1)

            assert enqueued_jobs() == [job]
            assert recorder.deeds == []

    def test_keeps_many_jobs_too(self):
        with mode("fake"):
            jobs = remember_one.delay_many([(1,), (2,)])

            assert enqueued_jobs() == jobs

    def test_keeps_what_a_database_would_give_back(self):
        with mode("fake"):
            remember_one.delay((1, 2**40))

            [job] = enqueued_jobs()

            assert job.handler["args"] == [{"__mj": "tuple", "v": [1, 2**40]}]
            assert type(job.handler["args"][0]["v"][0]) is int

    def test_is_not_concerned_when_an_argument_changes_later(self, recorder):
        values = [1]
        with mode("fake"):
            remember_one.delay(values)
            values.append(2)

            drain()

        assert recorder.facts("remembered") == [[1]]

    def test_is_not_concerned_when_the_returned_job_changes_later(self):
        with mode("fake"):
            job = remember_one.delay(1)
            job.handler["args"].append(2)

            assert [job.handler["args"] for job in enqueued_jobs()] == [[1]]

    def test_checks_arguments(self):
        with mode("fake"), pytest.raises(ArgumentsError):
            remember_one.delay()

    def test_checks_that_values_can_be_stored(self):
        with mode("fake"), pytest.raises(UnstorableValueError):
            remember_one.delay(object())

    def test_checks_that_it_is_a_job(self):
        with mode("fake"), pytest.raises(NotAJobError):
            enqueue(NotDeclared())

    def test_keeps_nothing_that_was_refused(self):
        with mode("fake"):
            with pytest.raises(ArgumentsError):
                remember_one.delay()

            assert enqueued_jobs() == []

    def test_fires_the_enqueue_hook(self, recorder):
        with mode("fake"):
            enqueue(Ceremonious())

        assert recorder.deeds == ["enqueue"]

    def test_keeps_jobs_although_the_app_does_not_delay_them(self, recorder):
        mongojobs.configure(delay_jobs=False)

        with mode("fake"):
            remember_one.delay(1)

            assert len(enqueued_jobs()) == 1
        assert recorder.deeds == []

    def test_leaves_a_function_for_delay_jobs_in_charge(self, recorder):
        mongojobs.configure(delay_jobs=lambda job: job.queue != "now")

        with mode("fake"):
            remember_one.options(queue="now").delay(1)
            remember_one.delay(2)

            assert [job.handler["args"] for job in enqueued_jobs()] == [[2]]
        assert recorder.facts("remembered") == [1]

    def test_follows_an_app_that_is_configured_within_it(self):
        with mode("fake"):
            mongojobs.configure(default_queue_name="fresh")
            remember_one.delay(1)

            assert [job.queue for job in enqueued_jobs()] == ["fresh"]

    def test_uses_the_settings_of_the_app_that_it_is_given(self):
        app = MongoJobs(Settings(queue_attributes={"mail": {"priority": 9}}))

        with mode("fake", app=app):
            job = remember_one.options(queue="mail").delay(1)

        assert job.priority == 9

    def test_keeps_one_job_for_a_given_id(self):
        with mode("fake"):
            first = remember_one.options(job_id="receipt 7").delay(1)
            second = remember_one.options(job_id="receipt 7").delay(2)

            assert enqueued_jobs() == [first] == [second]

    def test_keeps_calls_of_documents(self, mock_connection):
        band = Band(name="Blur").save()

        with mode("fake"):
            band.delay.play("Song 2")
            band.record()

            assert [job.name for job in enqueued_jobs()] == ["Band#play", "Band#record"]

    def test_has_no_collection_to_query(self):
        with mode("fake"), pytest.raises(ConfigurationError, match="in fake mode jobs are kept in memory"):
            mongojobs.DelayedJob.objects.count()

    def test_gives_a_job_in_whatever_state(self):
        with mode("fake") as fake:
            job = remember_one.options(job_id="receipt 7").delay(1)
            drain()

            assert fake.get(job.id).state == "completed"
            assert fake.get("receipt 8") is None

    def test_takes_jobs_of_all_threads(self):
        with mode("fake"):
            threads = [threading.Thread(target=remember_one.delay, args=(number,)) for number in range(20)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]

            assert len(enqueued_jobs()) == 20

    def test_takes_jobs_of_coroutines(self):
        with mode("fake"):
            job = asyncio.run(remember_one.adelay(1))

            assert enqueued_jobs() == [job]


class TestInline:
    @pytest.mark.behaviour("S18")
    def test_stores_nothing(self):
        with mode("inline") as inline:
            job = remember_one.delay(1)

            assert enqueued_jobs() == []
            assert inline.get(job.id) is None

    @pytest.mark.behaviour("S19")
    def test_runs_a_job_while_it_is_enqueued(self, recorder):
        with mode("inline"):
            remember_one.delay(1)

            assert recorder.facts("remembered") == [1]

    @pytest.mark.behaviour("S20")
    def test_returns_a_job(self):
        with mode("inline"):
            job = remember_as_declared.delay(1)

        assert isinstance(job, Job)
        assert (job.queue, job.priority) == ("declared", 7)

    @pytest.mark.behaviour("X26")
    def test_runs_on_arguments_that_were_serialised(self, recorder):
        recipe = Recipe("soup")

        with mode("inline"):
            cook.delay(recipe)

        [cooked] = recorder.facts("cooked")
        assert cooked == recipe
        assert cooked is not recipe

    @pytest.mark.behaviour("X26")
    def test_refuses_what_cannot_be_stored(self):
        with mode("inline"), pytest.raises(UnstorableValueError):
            remember_one.delay(object())

    @pytest.mark.behaviour("X26")
    def test_runs_methods_on_a_freshly_loaded_document(self, mock_connection):
        band = Band(name="Blur").save()

        with mode("inline"):
            band.delay.rename("Gorillaz")

        assert band.name == "Blur"
        assert band.reload().name == "Gorillaz"

    def test_lets_errors_come_up(self):
        with mode("inline"), pytest.raises(NoLuckError):
            always_fails.delay()

    def test_fires_all_hooks(self, recorder):
        with mode("inline"):
            enqueue(Ceremonious())

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    def test_runs_coroutines_to_their_end(self, recorder):
        with mode("inline"):
            remember_later.delay(1)

        assert recorder.facts("remembered") == [1]

    def test_runs_jobs_although_a_function_for_delay_jobs_says_no(self, recorder):
        mongojobs.configure(delay_jobs=lambda: True)

        with mode("inline"):
            remember_one.delay(1)

        assert recorder.facts("remembered") == [1]

    def test_has_nothing_to_drain(self):
        with mode("inline"):
            remember_one.delay(1)

            assert drain() == (0, 0)


class TestReal:
    def test_stores_jobs_in_the_collection_of_the_app(self, mock_connection):
        with mode("real"):
            job = remember_one.delay(1)

        assert mock_connection.shop.delayed_jobs.find_one()["_id"] == job.id

    def test_stores_jobs_although_the_app_does_not_delay_them(self, mock_connection):
        mongojobs.configure(delay_jobs=False)

        with mode("real"):
            remember_one.delay(1)

        assert mock_connection.shop.delayed_jobs.count_documents({}) == 1

    def test_is_in_force_where_there_is_no_mode(self, mock_connection):
        job = remember_one.delay(1)

        assert [found.id for found in enqueued_jobs()] == [job.id]

    def test_lets_the_jobs_be_queried(self, mock_connection):
        with mode("real"):
            remember_one.options(queue="mail").delay(1)

            assert mongojobs.DelayedJob.objects(queue="mail").count() == 1

    def test_needs_a_connection(self):
        with mode("real"), pytest.raises(ConnectionMissingError):
            remember_one.delay(1)


class TestMode:
    def test_is_over_after_the_block(self):
        with mode("fake"):
            pass

        with pytest.raises(ConnectionMissingError):
            remember_one.delay(1)

    def test_is_over_after_an_exception(self):
        with pytest.raises(NoLuckError), mode("fake"):
            raise NoLuckError

        with pytest.raises(ConnectionMissingError):
            remember_one.delay(1)

    def test_gives_way_to_an_inner_one_and_comes_back(self, recorder):
        with mode("fake"):
            outer = remember_one.delay("outer")
            with mode("inline"):
                remember_one.delay("inline")
            with mode("fake"):
                remember_one.delay("inner")

            assert enqueued_jobs() == [outer]
        assert recorder.facts("remembered") == ["inline"]

    def test_comes_back_after_an_exception_in_an_inner_one(self):
        with mode("fake"):
            outer = remember_one.delay("outer")
            with pytest.raises(NoLuckError), mode("fake"):
                raise NoLuckError

            assert enqueued_jobs() == [outer]

    def test_decorates_a_function(self):
        @mode("fake")
        def enqueue_one(value):
            remember_one.delay(value)
            return enqueued_jobs()

        assert len(enqueue_one(1)) == 1
        assert len(enqueue_one(value=2)) == 1
        assert enqueue_one.__name__ == "enqueue_one"

    def test_decorates_a_coroutine_function(self):
        @mode("fake")
        async def enqueue_one():
            await remember_one.adelay(1)
            return enqueued_jobs()

        assert len(asyncio.run(enqueue_one())) == 1

    def test_may_be_entered_again(self):
        again = mode("fake")
        with again:
            outer = remember_one.delay(1)
            with again:
                remember_one.delay(2)

            assert enqueued_jobs() == [outer]

    def test_refuses_to_decorate_a_class(self):
        class TestShop:
            pass

        with pytest.raises(ConfigurationError, match="decorates plain and async functions"):
            mode("fake")(TestShop)

    def test_refuses_to_decorate_a_generator(self):
        def fixture():
            yield

        with pytest.raises(ConfigurationError, match="decorates plain and async functions"):
            mode("fake")(fixture)

    def test_refuses_an_unknown_name(self):
        with pytest.raises(ConfigurationError, match="mode must be one of fake, inline, real, got 'imaginary'"):
            mode("imaginary")

    def test_gives_itself(self):
        with mode("fake") as entered:
            assert isinstance(entered, Mode)
            assert entered.name == "fake"


class TestEnqueuedJobs:
    def test_come_as_a_worker_takes_them(self):
        with mode("fake"):
            remember.options(priority=5).delay("third")
            remember.options(priority=1, run_in=60).delay("fifth")
            remember.options(run_in=30).delay("fourth")
            remember.options(priority=-1).delay("first")
            remember.delay("second")

            order = [job.handler["args"][0] for job in enqueued_jobs()]

        assert order == ["first", "second", "third", "fourth", "fifth"]

    def test_may_be_asked_for_by_queue(self):
        with mode("fake"):
            remember_one.delay(1)
            mail = enqueue(NewsletterOfQueue())

            assert enqueued_jobs("own") == [mail]

    def test_leave_out_what_has_failed(self):
        with mode("fake"):
            always_fails.options(max_attempts=1).delay()
            drain(raises=False)

            assert enqueued_jobs() == []


class TestTravel:
    def test_makes_scheduled_jobs_due(self, recorder):
        with mode("fake"):
            remember_one.options(run_in=3600).delay(1)

            travel(timedelta(hours=1))

            assert drain() == (1, 0)

    def test_moves_what_is_enqueued_later(self):
        with mode("fake"):
            before = enqueue(Newsletter())
            travel(86400)
            after = enqueue(Newsletter())

        assert timedelta(days=1) <= after.run_at - before.run_at < timedelta(days=1, minutes=1)

    def test_returns_the_new_time(self):
        with mode("fake"):
            assert travel(60) - travel(-60) > timedelta(seconds=59)

    def test_moves_the_time_of_real_mode_too(self, mock_connection):
        with mode("real"):
            remember_one.options(run_in=3600).delay(1)

            travel(3600)

            assert drain() == (1, 0)

    def test_ends_with_the_mode(self):
        with mode("fake"):
            with mode("fake"):
                moved = travel(3600)

            assert enqueue(Newsletter()).run_at < moved

    def test_is_refused_outside_of_a_mode(self):
        with pytest.raises(ConfigurationError, match="lasts as long as a mode"):
            travel(1)

    @pytest.mark.parametrize("duration", [math.inf, math.nan, "999999999999d", None])
    def test_takes_durations_only(self, duration):
        with mode("fake"), pytest.raises(ConfigurationError, match=r"travel\(\) must be a duration"):
            travel(duration)

    def test_is_refused_in_inline_mode(self):
        with mode("inline"), pytest.raises(ConfigurationError, match=r"travel\(\) needs mode\('fake'\)"):
            travel(1)


class TestAnActiveApp:
    def test_gives_way_to_the_mode_of_a_test(self):
        with mode("fake"), MongoJobs(Settings()).active():
            job = remember_one.delay(1)

            assert enqueued_jobs() == [job]
