"""A unique job: while it holds its key, another call returns the same job."""

import json
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import (
    DuplicateJobError,
    EnqueueRefusedError,
    JobFilter,
    KeyHeldError,
    OptionError,
    PartialEnqueueError,
    StateError,
    enqueue,
)
from mongojobs.core.notices import CallMerged
from mongojobs.store import filters
from mongojobs.store.filters import QueueSelector
from tests.support.command_here import run_here
from tests.support.command_line import SAMPLE_APP
from tests.support.dashboard import Visitor
from tests.support.sample_jobs import fails_once_and_for_all, gate, remember_one
from tests.support.unique_jobs import (
    Digest,
    Report,
    Shop,
    count,
    enqueues_itself,
    fails_when_told,
    index,
    log_in,
    sync,
    sync_from_the_start,
    use_token,
)
from tests.support.waiting import eventually
from tests.support.working import work_off, working


@pytest.fixture
def app(configure, indexes):
    return configure()


def reserve_one(app):
    return app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(9))


def all_jobs(app):
    return app.reader.find(limit=0)


class TestASecondCall:
    def test_is_the_first_job(self, app):
        first = sync.delay(7, "a")

        second = sync.delay(7, "b")

        assert (first.duplicate, second.duplicate) == (False, True)
        assert second.id == first.id
        assert [job.handler["args"] for job in all_jobs(app)] == [[7, "a"]]

    def test_is_counted(self, app):
        job = sync.delay(7)

        sync.delay(7)

        assert sync.delay(7).merged == app.get(job.id).merged == 2

    def test_with_other_arguments_is_another_job(self, app):
        assert not any(sync.delay(order_id).duplicate for order_id in (7, 8, "7", 7.0, True, None))

    def test_is_the_job_that_runs(self, app, recorder):
        with working():
            first = enqueues_itself.delay(1)
            eventually(lambda: app.get(first.id) is None)

        assert recorder.facts("enqueued") == [True]

    def test_is_another_job_when_the_first_has_ended(self, app, recorder):
        sync.delay(7, "a")
        work_off()

        second = sync.delay(7, "b")

        assert not second.duplicate
        assert work_off() == (1, 0)
        assert recorder.facts("synced") == [(7, "a"), (7, "b")]

    def test_is_told_of_to_no_plugin(self, app, caplog):
        sync.delay(7)
        caplog.set_level("INFO")

        sync.delay(7)

        assert "enqueued" not in caplog.text


class TestTheKey:
    @pytest.mark.parametrize("call", [lambda: count.delay(1), lambda: count.delay(1, 1), lambda: count.delay(b=1, a=1)])
    def test_is_the_same_however_the_arguments_are_given(self, app, call):
        count.delay(1, b=1)

        assert call().duplicate

    def test_does_not_depend_on_the_order_in_a_mapping(self, app):
        count.delay({"x": 1, "y": {5: 1, (6, 7): {"a": 1, "b": 2}}})

        assert count.delay({"y": {(6, 7): {"b": 2, "a": 1}, 5: 1}, "x": 1}).duplicate

    def test_may_be_made_by_a_function_of_the_arguments(self, app):
        index.delay("/home/", depth=1)

        assert index.delay("/home", depth=2).duplicate
        assert not index.delay("/").duplicate

    def test_may_be_chosen_at_the_enqueue(self, app):
        remember_one.options(unique_key="nightly").delay(1)

        assert remember_one.options(unique_key="nightly").delay(2).duplicate
        assert not remember_one.options(unique_key="daily").delay(2).duplicate
        assert not remember_one.delay(3).duplicate

    def test_is_of_its_job_alone(self, app):
        count.options(unique_key="x").delay(1)

        assert not sync.options(unique_key="x").delay(1).duplicate

    def test_is_shared_across_jobs_that_say_the_same_word(self, app):
        first = count.options(unique_key="x", across="orders").delay(1)

        assert sync.options(unique_key="x", across="orders").delay(1).id == first.id

    def test_can_be_left_out_at_an_enqueue(self, app):
        sync.delay(7)

        assert not sync.options(unique=False).delay(7).duplicate

    def test_of_a_job_object_is_what_its_override_says(self, app):
        enqueue(Report("monday"))

        assert enqueue(Report("monday", pages=2)).duplicate
        assert not enqueue(Report("tuesday")).duplicate

    def test_of_a_job_object_may_be_made_of_its_fields(self, app):
        enqueue(Digest("monday"))

        assert enqueue(Digest("monday", pages=2)).duplicate
        assert not enqueue(Digest("tuesday")).duplicate

    def test_of_a_document_method_is_of_the_document_too(self, app):
        one, other = Shop(name="one").save(), Shop(name="other").save()

        one.delay(unique=True).restock()

        assert one.delay(unique=True).restock("all").duplicate
        assert not other.delay(unique=True).restock().duplicate

    def test_can_be_declared_by_handle_asynchronously(self, app):
        one, other = Shop(name="one").save(), Shop(name="other").save()

        one.paint("door", "red")

        assert one.paint("door", "blue").duplicate
        assert not one.paint("wall", "red").duplicate
        assert not other.paint("door", "red").duplicate

    def test_tells_a_document_by_its_class_and_id(self, app):
        shop = Shop(name="one").save()

        count.delay(shop)

        assert count.delay(Shop.objects.get(id=shop.id)).duplicate

    def test_is_shown_as_a_text(self, app):
        shop = Shop(name="one").save()

        assert sync.delay(7, "a").unique_text == "order_id=7"
        assert shop.delay(unique=True).restock().unique_text == f"Shop {shop.id}, thing=all"
        assert remember_one.options(unique_key="nightly").delay(1).unique_text == "nightly"

    def test_shows_no_secret(self, app):
        texts = [
            log_in.options(unique=True).delay("olga", "s3cret").unique_text,
            use_token.delay("s3cret").unique_text,
            log_in.options(unique=lambda user, token: token).delay("olga", "s3cret").unique_text,
            sync.delay({"password": "s3cret"}).unique_text,
        ]

        assert texts == ["user=olga, token=...", "token=...", "...", "order_id=..."]


class TestRaise:
    def test_names_the_job_that_holds_the_key(self, app):
        first = sync.delay(7)

        with pytest.raises(
            DuplicateJobError, match=f"the job {first.id}, which is ready, holds the key 'order_id=7'"
        ) as caught:
            sync.options(on_duplicate="raise").delay(7)

        assert caught.value.job_id == first.id


class TestMany:
    def test_are_stored_or_are_duplicates_each(self, app):
        there = sync.delay(1)

        jobs = sync.delay_many([(1, "x"), (2, "a"), (2, "b"), (3, "a")])

        assert [job.duplicate for job in jobs] == [True, False, True, False]
        assert jobs[0].id == there.id
        assert jobs[2].id == jobs[1].id
        assert len(all_jobs(app)) == 3

    def test_tell_which_are_refused(self, app):
        there = sync.delay(1)

        with pytest.raises(PartialEnqueueError, match=f"refused 1 job whose keys.*{there.id}") as caught:
            sync.options(on_duplicate="raise").delay_many([(1,), (2,), (3,)])

        assert len(caught.value.stored) == 2
        assert len(caught.value.not_stored) == 1
        assert len(all_jobs(app)) == 3

    def test_are_looked_for_in_one_go(self, app, connection):
        there = [sync.delay(number) for number in range(5)]

        jobs = sync.delay_many([(number,) for number in range(10)])

        assert [job.id for job in jobs[:5]] == [job.id for job in there]
        assert [job.merged for job in jobs] == [1] * 5 + [None] * 5

    def test_may_be_more_than_one_query_can_name(self, app, monkeypatch):
        monkeypatch.setattr(filters, "MOST_NAMED", 2)
        there = [sync.delay(number) for number in (0, 3, 4)]

        jobs = sync.delay_many([(number,) for number in range(6)])

        assert [job.duplicate for job in jobs] == [True, False, False, True, True, False]
        assert [jobs[place].id for place in (0, 3, 4)] == [job.id for job in there]

    def test_can_be_stored_in_a_transaction(self, app, connection):
        sync.delay(1)

        with connection.start_session() as session, session.start_transaction():
            jobs = sync.options(session=session).delay_many([(1,), (2,), (2,)])

        assert [job.duplicate for job in jobs] == [True, False, True]
        assert len(all_jobs(app)) == 2


class TestAFailedJob:
    def test_holds_its_key_while_it_is_to_be_retried(self, app, clock):
        first = fails_when_told.delay("x")
        work_off()

        assert fails_when_told.delay("x").id == first.id
        assert fails_when_told.delay("x").attempts == 1

    def test_frees_its_key(self, app, clock):
        first = fails_when_told.options(max_attempts=1).delay("x")
        work_off()

        second = fails_when_told.delay("x")

        assert not second.duplicate
        assert app.get(first.id).unique_key is None

    def test_takes_its_key_again_when_it_is_retried(self, app):
        failed = fails_when_told.options(max_attempts=1).delay("x")
        work_off()

        app.retry(failed.id)

        assert fails_when_told.delay("x").id == failed.id

    def test_is_not_retried_while_another_holds_its_key(self, app):
        failed = fails_when_told.options(max_attempts=1).delay("x")
        work_off()
        other = fails_when_told.delay("x")

        with pytest.raises(KeyHeldError, match="which is ready, holds its unique key 'name=x'") as refused:
            app.retry(failed.id)

        assert refused.value.holder_id == other.id
        assert app.get(failed.id).state == "failed"

    def test_can_be_dropped_then(self, app):
        failed = fails_when_told.options(max_attempts=1).delay("x")
        work_off()
        other = fails_when_told.delay("x")

        assert app.retry(failed.id, merge=True).id == other.id

        assert app.get(failed.id) is None
        assert app.get(other.id).merged == 1

    def test_is_retried_with_all_others(self, app):
        fails_when_told.options(max_attempts=1).delay_many([("x",), ("y",), ("z",)])
        fails_once_and_for_all.delay()
        work_off()
        fails_when_told.delay("y")

        retried = app.retry_all(JobFilter(state="failed"))

        assert (retried, retried.held) == (3, 1)
        assert [job.unique_text for job in app.reader.find(state="failed")] == ["name=y"]

    def test_can_be_dropped_with_all_others(self, app):
        fails_when_told.options(max_attempts=1).delay_many([("x",), ("y",)])
        work_off()
        fails_when_told.delay("y")

        assert app.retry_all(JobFilter(state="failed"), merge=True) == 1

        assert app.reader.find(state="failed") == []
        assert len(all_jobs(app)) == 2


class TestAJobThatEndsWithoutARun:
    def test_holds_no_key_when_it_has_expired(self, app, clock):
        first = sync.options(expires_in="1m").delay(7)
        clock.advance(minutes=2)
        work_off()

        assert app.get(first.id).state == "cancelled"
        assert not sync.delay(7).duplicate

    def test_holds_no_key_when_it_was_cancelled_deleted_or_cleared(self, app):
        jobs = sync.delay_many([(1,), (2,), (3,)])
        app.cancel(jobs[0].id)
        app.delete(jobs[1].id)
        app.actions.clear(state="ready")

        assert not any(job.duplicate for job in sync.delay_many([(1,), (2,), (3,)]))


class TestUntilStart:
    def test_a_call_during_the_run_is_another_job(self, app, recorder):
        with working(threads=1):
            sync_from_the_start.delay(1, "a")
            eventually(lambda: recorder.deeds)

            second = sync_from_the_start.delay(1, "b")

            gate.set()
            eventually(lambda: len(recorder.deeds) == 2)
        assert not second.duplicate

    def test_a_call_before_the_run_is_the_same(self, app):
        sync_from_the_start.delay(1, "a")

        assert sync_from_the_start.delay(1, "b").duplicate

    @pytest.mark.parametrize("limit", [1, 5])
    def test_the_reserve_takes_the_key_away(self, app, limit):
        job = sync_from_the_start.delay(1)

        held = app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(9), limit=limit)

        assert [one.unique_key for one in held] == [None]
        assert app.get(job.id).unique_key is None

    def test_a_call_between_lock_and_release_of_the_key_is_another_job(self, app):
        job = sync_from_the_start.delay(1)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"state": "running", "lock_token": "t"}})

        assert not sync_from_the_start.delay(1).duplicate
        assert app.get(job.id).unique_key is None


class TestATransaction:
    def test_goes_on_when_a_twin_is_there(self, app, connection):
        first = sync.delay(7, "a")

        with connection.start_session() as session, session.start_transaction():
            second = sync.options(session=session).delay(7, "b")
            connection.get_default_database().orders.insert_one({"_id": 1}, session=session)

        assert second.id == first.id
        assert second.duplicate
        assert connection.get_default_database().orders.count_documents({}) == 1

    def test_stores_the_job_when_it_commits(self, app, connection):
        with connection.start_session() as session, session.start_transaction():
            first = sync.options(session=session).delay(7)

        assert app.get(first.id).unique_key == first.unique_key
        assert sync.delay(7).id == first.id

    def test_frees_the_key_when_it_aborts(self, app, connection):
        with connection.start_session() as session:
            session.start_transaction()
            sync.options(session=session).delay(7)
            session.abort_transaction()

        assert not sync.delay(7).duplicate

    def test_goes_on_when_a_job_with_its_id_has_ended(self, app, connection):
        first = sync.options(job_id="given").delay(7)
        work_off()

        with connection.start_session() as session, session.start_transaction():
            second = sync.options(job_id="given", session=session).delay(7)
            connection.get_default_database().orders.insert_one({"_id": 1}, session=session)

        assert (second.id, second.duplicate) == (first.id, True)
        assert connection.get_default_database().orders.count_documents({}) == 1

    def test_starts_again_when_a_twin_comes_meanwhile(self, app, connection):
        orders, tries = connection.get_default_database().orders, []

        def order(session):
            tries.append(1)
            orders.insert_one({"_id": len(tries)}, session=session)
            _twin = sync.delay(7, "twin") if len(tries) == 1 else None
            return sync.options(session=session).delay(7, "mine")

        with connection.start_session() as session:
            job = session.with_transaction(order)

        assert len(tries) == 2
        assert job.duplicate
        assert orders.count_documents({}) == 1

    def test_does_not_make_a_worker_wait_for_a_twin(self, app, connection):
        sync.delay(7, "a")

        with connection.start_session() as session, session.start_transaction():
            sync.options(session=session).delay(7, "b")

            assert work_off() == (1, 0)


class TestTheIndex:
    def test_is_needed_by_unique_jobs(self, configure):
        configure()

        with pytest.raises(
            EnqueueRefusedError,
            match="needs the index unique of the collection delayed_jobs, which is missing: run `mongojobs",
        ):
            sync.delay(7)

    def test_is_not_needed_by_others(self, configure, recorder):
        configure()
        remember_one.delay(1)

        assert work_off() == (1, 0)

    def test_is_looked_for_until_it_is_there(self, configure):
        app = configure()
        with pytest.raises(EnqueueRefusedError):
            sync.delay(7)

        app.create_indexes()

        assert not sync.delay(7).duplicate


class TestAPlugin:
    @pytest.fixture
    def told(self, app):
        """What becomes of calls, with the id of the job that holds their key."""
        told = []
        app.lifecycle.on_notice(lambda notice: told.append((notice.into, notice.answer)), CallMerged)
        return told

    def test_hears_what_became_of_each_call(self, app, told):
        job = sync.delay(7)

        sync.delay(7)
        sync.options(on_duplicate="replace").delay(7)
        with pytest.raises(DuplicateJobError):
            sync.options(on_duplicate="raise").delay(7)
        reserve_one(app)
        sync.options(on_duplicate="replace").delay(7)

        answers = ["dropped", "replaced", "refused", "rerun"]
        assert told == [(job.id, answer) for answer in answers]

    def test_hears_of_each_of_many_calls(self, app, told):
        job = sync.delay(7)

        sync.delay_many([(7,), (8,), (7,)])

        assert told == [(job.id, "dropped")] * 2

    def test_hears_nothing_of_an_enqueue_that_is_repeated(self, app, told):
        sync.options(job_id="once").delay(7)

        sync.options(job_id="once").delay(8)

        assert told == []


class TestADamagedHolder:
    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            ({"state": "odd"}, "the state of the job {id} is 'odd'; delete it with `mongojobs jobs delete {id}`"),
            ({"run_at": "soon"}, "the run_at of the job {id} is 'soon'; delete it with"),
            ({"state": "running", "lock_token": 5}, "the lock_token of the job {id} is 5; a worker sets it aside"),
        ],
    )
    @pytest.mark.parametrize("on_duplicate", ["return", "rerun"])
    def test_is_told_at_once_with_what_to_do(self, app, damage, told, on_duplicate):
        job = sync.delay(7)
        app.store.collection.update_one({"_id": job.id}, {"$set": damage})

        with pytest.raises(EnqueueRefusedError, match=f"holds the key of .*sync, .* damaged: {told.format(id=job.id)}"):
            sync.options(on_duplicate=on_duplicate).delay(7)

    def test_with_an_id_that_none_can_have_is_told_by_its_key(self, app):
        job = sync.delay(7)
        document = app.store.collection.find_one_and_delete({"_id": job.id})
        app.store.collection.insert_one({**document, "_id": 1.5})

        with pytest.raises(EnqueueRefusedError, match=f"delete the document whose unique_key is '{job.unique_key}'"):
            sync.delay(7)

    def test_no_longer_holds_its_key_when_that_was_done(self, app):
        job = sync.delay(7)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"state": "odd"}})

        app.delete(job.id)

        assert not sync.delay(7).duplicate

    def test_does_not_keep_others_of_many_out(self, app):
        job = sync.delay(7)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"state": "odd"}})

        with pytest.raises(PartialEnqueueError, match=r"refused 1 job .* damaged: the state of the job") as partly:
            sync.delay_many([(6,), (7,), (8,)])

        assert (len(partly.value.stored), len(partly.value.reasons)) == (2, 1)

    def test_is_told_to_who_retries_a_job_with_that_key(self, app):
        failed = fails_once_and_for_all.options(unique_key="k").delay()
        work_off()
        twin = fails_once_and_for_all.options(unique_key="k").delay()
        app.store.collection.update_one({"_id": twin.id}, {"$set": {"state": "odd"}})

        with pytest.raises(StateError, match=f"damaged: the state of the job {twin.id} is 'odd'; delete it with"):
            app.retry(failed.id)


class TestPeople:
    def test_see_the_key_and_the_merged_calls_of_a_job(self, app):
        job = [sync.delay(7), sync.delay(7), sync.delay(7)][0]

        told = run_here("jobs", "show", str(job.id), MONGOJOBS_APP=SAMPLE_APP).output

        assert "unique       order_id=7 (holds its key)" in told
        assert "merged       2 further calls" in told

    def test_find_a_job_by_its_key(self, app):
        job = [sync.delay(8), sync.delay(7)][1]

        told = run_here("jobs", "list", "--key", "order_id=7", "--json", MONGOJOBS_APP=SAMPLE_APP).stdout

        assert [one["id"] for one in json.loads(told)["jobs"]] == [str(job.id)]

    def test_give_a_key_where_they_type(self, app):
        words = ("enqueue", f"{SAMPLE_APP}.append", "--args", '["x", "y"]', "--unique-key", "nightly")
        first = run_here(*words, "--json", MONGOJOBS_APP=SAMPLE_APP).stdout

        again = run_here(*words, "--json", MONGOJOBS_APP=SAMPLE_APP).stdout
        told = run_here(*words, MONGOJOBS_APP=SAMPLE_APP).output

        assert [json.loads(one)["duplicate"] for one in (first, again)] == [False, True]
        assert json.loads(again)["id"] == json.loads(first)["id"]
        assert "Already ready:" in told

    def test_are_told_of_the_twin_when_they_retry_and_can_drop_the_job(self, app):
        failed = fails_when_told.options(max_attempts=1).delay("x")
        work_off()
        other = fails_when_told.delay("x")

        refused = run_here("jobs", "retry", str(failed.id), MONGOJOBS_APP=SAMPLE_APP)
        merged = run_here("jobs", "retry", "--merge", str(failed.id), MONGOJOBS_APP=SAMPLE_APP)

        assert f"the job {other.id}, which is ready, holds its unique key" in refused.output
        assert refused.exit_code == 1
        assert f"Dropped {failed.id}, as its key is held by: {other.id}" in merged.output

    def test_see_it_on_the_dashboard(self, app):
        job = [sync.delay(7), sync.delay(7), sync.delay(8)][0]
        visitor = Visitor(app)

        found, page = visitor.text("/jobs?q=key:order_id%3D7"), visitor.text(f"/job?id={job.id}")

        assert "unique: <bdi>order_id=7</bdi>" in found
        assert "merged 1 call<" in found
        assert "order_id=8" not in found
        assert "holds its key" in page
        assert "1 further call<" in page

    def test_see_no_key_where_arguments_are_not_shown(self, app):
        job = sync.delay(7)
        visitor = Visitor(app, show_arguments=False)

        assert "order_id=7" not in visitor.text("/jobs") + visitor.text(f"/job?id={job.id}")
        assert "cannot be searched for" in visitor.get("/jobs?q=key:order_id%3D7").text

    def test_are_told_why_a_debounced_job_waits(self, app):
        job = sync.options(debounce="5s", max_wait="1m").delay(7)

        [reason] = [reason for reason in app.why(job.id) if reason.kind == "not_due"]

        assert "further calls put it off until 2030-01-01 12:01:00 UTC at the latest" in reason.text

    def test_are_told_that_a_running_job_is_wanted_again(self, app):
        job = sync.delay(7)
        reserve_one(app)
        sync.options(on_duplicate="rerun").delay(7)

        [reason] = app.why(job.id)

        assert "it was enqueued again meanwhile, and runs once more when it has ended" in reason.text


class TestAJobThatWaitsAndIsWantedAgain:
    """It was enqueued again while it ran, and then handed back."""

    @pytest.fixture
    def waiting(self, app):
        job = sync.delay(7, "first")
        [held] = reserve_one(app)
        sync.options(on_duplicate="rerun").delay(7, "last")
        app.store.release([held], started=True)
        return job

    def test_runs_for_both(self, waiting, recorder):
        work_off()

        assert recorder.facts("synced") == [(7, "first"), (7, "last")]

    def test_is_cancelled_with_both(self, app, waiting, recorder):
        app.cancel(waiting.id)
        work_off()

        assert recorder.deeds == []
        assert app.get(waiting.id).state == "cancelled"

    def test_is_retried_for_both(self, app, waiting, recorder):
        app.cancel(waiting.id)

        app.retry(waiting.id)
        work_off()

        assert recorder.facts("synced") == [(7, "first"), (7, "last")]

    def test_says_so(self, app, waiting):
        app.cancel(waiting.id)

        shown = run_here("jobs", "show", str(waiting.id), MONGOJOBS_APP=SAMPLE_APP).output
        page = Visitor(app).text(f"/job?id={waiting.id}")

        assert "after a retry it runs once more, with the last call" in shown
        assert "after a retry it runs once more, with the last call" in page


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"on_duplicate": "raise"},
                "on_duplicate='raise' needs a key: say which calls are the same with unique=True",
            ),
            ({"debounce": 5}, "debounce=datetime.timedelta\\(seconds=5\\) needs a key"),
            ({"throttle": "1/10m"}, "throttle=.* needs a key"),
            ({"unique": "colour"}, "unique names 'colour', but the arguments of .*remember_one are \\['value'\\]"),
            ({"unique": True, "debounce": 5, "throttle": "1/5m"}, "give debounce or throttle, not both"),
            ({"unique": True, "debounce": 5, "run_in": 5}, "give debounce or run_in, not both"),
            ({"unique": True, "debounce": 5, "on_duplicate": "rerun"}, "leave out on_duplicate='rerun'"),
            ({"unique": True, "debounce": 5, "unique_until": "end"}, 'leave out unique_until="end"'),
            ({"unique": True, "unique_for": 5, "unique_until": "start"}, 'leave out unique_until="start"'),
            ({"unique": True, "unique_for": 5, "throttle": "1/5m"}, "give throttle or unique_for, not both"),
            ({"unique": True, "max_wait": 5}, "max_wait=.* give debounce too"),
            ({"unique": True, "keep": "later"}, 'give on_duplicate="replace"'),
        ],
    )
    def test_is_told_at_the_enqueue(self, app, options, message):
        with pytest.raises(OptionError, match=message):
            remember_one.options(**options).delay(1)

        assert all_jobs(app) == []

    def test_is_a_declared_argument_that_there_is_not(self):
        with pytest.raises(OptionError, match=r"unique names 'order', but the arguments of .* are \['order_id'\]"):

            @mongojobs.job(unique="order")
            def local(order_id):
                pass

    def test_is_a_key_that_an_object_gives(self, app):
        class Odd(Report):
            def unique_key(self):
                return 1.5

        mongojobs.job(name="odd report")(Odd)

        with pytest.raises(OptionError, match="unique_key of Odd must be an ObjectId"):
            enqueue(Odd("monday"))


class TestAJobWithoutAKey:
    def test_is_stored_without_a_word_of_keys(self, app):
        job = remember_one.delay(1)

        document = app.store.collection.find_one({"_id": job.id})

        assert not {
            name for name in document if "unique" in name or name in ("merged", "again", "key_until", "start_by")
        }
