"""A call becomes a job: what is stored, under which name, in which queue, with which priority."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson import ObjectId

import mongojobs
from mongojobs import NotAJobError, OptionError, PartialEnqueueError, PayloadTooLargeError, enqueue
from tests.support.clock import START
from tests.support.documents import Group
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    Namespace,
    Newsletter,
    NewsletterOfQueue,
    NotAJob,
    NotDeclared,
    remember,
    remember_as_declared,
    remember_later,
    remember_one,
)
from tests.support.working import work_off


class TestATime:
    @pytest.mark.behaviour("S1")
    def test_is_now_unless_it_is_given(self, app):
        job = remember_one.delay(1)

        assert app.get(job.id).run_at == START

    @pytest.mark.behaviour("S1")
    def test_is_the_servers_time(self, configure, connection):
        app = configure(clock=None)

        job = remember_one.delay(1)

        server_time = connection.admin.command("hello")["localTime"].replace(tzinfo=UTC)
        assert abs(app.get(job.id).run_at - server_time) < timedelta(seconds=1)

    @pytest.mark.behaviour("S2", "S7")
    def test_is_the_given_one_to_the_millisecond(self, app):
        moment = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=timezone(timedelta(hours=5)))

        job = remember_one.options(run_at=moment).delay(1)

        assert app.get(job.id).run_at == datetime(2031, 5, 6, 2, 8, 9, 123000, tzinfo=UTC)

    def test_may_be_given_as_a_delay(self, app):
        job = remember_one.options(run_in=90).delay(1)

        assert app.get(job.id).run_at == START + timedelta(seconds=90)

    def test_must_have_a_zone(self, app):
        with pytest.raises(OptionError, match="run_at must have a time zone"):
            remember_one.options(run_at=datetime(2031, 1, 1)).delay(1)  # noqa: DTZ001


class TestAJobObject:
    @pytest.mark.behaviour("S12")
    def test_is_stored_as_one_job(self, app):
        job = enqueue(Newsletter("news"))

        assert [stored.id for stored in app.reader.find()] == [job.id]

    @pytest.mark.behaviour("S4")
    def test_without_perform_is_refused(self, app):
        with pytest.raises(NotAJobError, match="must be an instance of a class with perform"):
            enqueue(NotAJob(), priority=3)

        assert app.reader.find() == []

    @pytest.mark.behaviour("S11")
    @pytest.mark.parametrize("thing", [NotAJob(), None, "text", {"perform": 1}, Newsletter, len])
    def test_is_nothing_else(self, app, thing):
        with pytest.raises(TypeError, match="not a job object"):
            enqueue(thing)

    def test_must_be_declared(self, app):
        with pytest.raises(NotAJobError, match="put @job before its class statement"):
            enqueue(NotDeclared())

    @pytest.mark.behaviour("S16")
    def test_may_be_of_a_nested_class(self, app, recorder):
        enqueue(Namespace.Nested())

        assert work_off() == (1, 0)
        assert recorder.deeds == ["nested"]

    def test_is_stored_by_another_app_too(self, app, recorder):
        app.enqueue(Newsletter("news"), priority=4)

        assert work_off() == (1, 0)
        assert recorder.facts("sent") == ["news"]

    @pytest.mark.behaviour("S17")
    def test_leaves_the_options_of_the_caller_alone(self, app):
        tags, meta = ["a"], {"trace": {"id": 1}}
        options = {"priority": 3, "queue": "mail", "tags": tags, "meta": meta, "run_at": START}

        enqueue(Newsletter(), **options)

        assert options == {"priority": 3, "queue": "mail", "tags": ["a"], "meta": {"trace": {"id": 1}}, "run_at": START}
        assert options["tags"] is tags
        assert options["meta"] is meta


class TestPriority:
    @pytest.mark.behaviour("S5")
    def test_is_the_given_one(self, configure):
        app = configure(default_priority=99)

        job = enqueue(Newsletter(), priority=5)

        assert app.get(job.id).priority == 5

    def test_may_be_zero_where_the_default_is_another(self, configure):
        app = configure(default_priority=99)

        job = enqueue(Newsletter(), priority=0)

        assert app.get(job.id).priority == 0

    @pytest.mark.behaviour("S6", "S14", "S119")
    def test_is_the_default_one_otherwise(self, configure):
        app = configure(default_priority=99)

        job = enqueue(Newsletter())

        assert app.get(job.id).priority == 99

    @pytest.mark.behaviour("S46")
    def test_is_that_of_the_queue(self, configure):
        app = configure(queue_attributes={"mail": {"priority": -10}})

        job = enqueue(Newsletter(), queue="mail")

        assert app.get(job.id).priority == -10

    @pytest.mark.behaviour("S47")
    def test_is_the_given_one_even_where_the_queue_has_one(self, configure):
        app = configure(queue_attributes={"mail": {"priority": -10}})

        job = enqueue(Newsletter(), queue="mail", priority=4)

        assert app.get(job.id).priority == 4

    def test_is_that_of_the_queue_that_the_payload_names(self, configure):
        app = configure(queue_attributes={"own": {"priority": -10}})

        job = enqueue(NewsletterOfQueue())

        assert app.get(job.id).priority == -10

    def test_is_the_declared_one_before_that_of_the_queue(self, configure):
        app = configure(queue_attributes={"declared": {"priority": -10}})

        job = remember_as_declared.delay()

        assert app.get(job.id).priority == 7


class TestQueue:
    @pytest.mark.behaviour("S8")
    def test_is_the_given_one_even_where_the_payload_names_one(self, app):
        job = enqueue(NewsletterOfQueue(), queue="given")

        assert app.get(job.id).queue == "given"

    @pytest.mark.behaviour("S10")
    def test_is_the_one_that_the_payload_names(self, app):
        job = enqueue(NewsletterOfQueue())

        assert app.get(job.id).queue == "own"

    @pytest.mark.behaviour("S9", "S120")
    def test_is_the_default_one_otherwise(self, configure):
        app = configure(default_queue_name="ordinary")

        job = enqueue(Newsletter())

        assert app.get(job.id).queue == "ordinary"

    @pytest.mark.behaviour("X11")
    def test_is_the_default_one_for_a_payload_that_names_none(self, configure):
        app = configure(default_queue_name="ordinary")

        job = enqueue(NewsletterOfQueue(queue_name=None))

        assert app.get(job.id).queue == "ordinary"

    def test_is_the_declared_one(self, app):
        job = remember_as_declared.delay()

        assert app.get(job.id).queue == "declared"

    def test_of_a_payload_must_be_one(self, app):
        with pytest.raises(OptionError, match="queue_name of NewsletterOfQueue must not begin with"):
            enqueue(NewsletterOfQueue(queue_name="a,b"))


class TestAFunction:
    def test_runs_at_once_when_it_is_called(self, app, recorder):
        answer = remember_one("now")

        assert answer == "noted"
        assert recorder.facts("remembered") == ["now"]
        assert app.reader.find() == []

    @pytest.mark.behaviour("X25")
    def test_gets_positional_and_keyword_arguments(self, app, recorder):
        remember.delay(1, "two", three=3, four={"five": [5]})

        work_off()

        assert recorder.facts("remembered") == [((1, "two"), {"three": 3, "four": {"five": [5]}})]

    def test_may_be_async(self, app, recorder):
        remember_later.delay("later")

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["later"]

    def test_takes_options_one_after_the_other(self, app):
        job = remember_one.options(queue="mail", priority=1).options(priority=2, tags=["a"]).delay(1)

        stored = app.get(job.id)
        assert (stored.queue, stored.priority, stored.tags) == ("mail", 2, ("a",))

    def test_keeps_its_own_options_when_others_are_asked_for(self, app):
        remember_one.options(queue="mail")

        job = remember_one.delay(1)

        assert job.queue == "default"

    def test_is_stored_with_all_options(self, app):
        job = remember_one.options(
            max_attempts=3, max_run_time=90, tags=("a", "b"), meta={"trace": "x"}, queue="mail"
        ).delay(1)

        stored = app.get(job.id)
        assert (stored.max_attempts, stored.max_run_time) == (3, timedelta(seconds=90))
        assert (stored.tags, stored.meta, stored.queue) == (("a", "b"), {"trace": "x"}, "mail")

    def test_returns_the_job_as_it_is_stored(self, app):
        job = remember_one.delay(1)

        assert app.get(job.id) == job

    def test_may_enqueue_another_one(self, app, recorder):
        mongojobs.enqueue(Newsletter("first"))

        work_off()

        assert recorder.facts("sent") == ["first"]

    @pytest.mark.behaviour("X10")
    def test_takes_no_callable_option(self, app):
        with pytest.raises(OptionError, match="priority must be a whole number"):
            remember_one.options(priority=lambda: 3)


class TestSize:
    @pytest.mark.behaviour("S51")
    def test_of_28_000_characters_is_fine(self, app, recorder):
        text = "Lorem ipsum dolor sit amet. " * 1000

        enqueue(Newsletter(text))

        assert work_off() == (1, 0)
        assert recorder.facts("sent") == [text]

    @pytest.mark.behaviour("X31")
    def test_of_more_than_a_mebibyte_is_refused(self, app):
        with pytest.raises(PayloadTooLargeError, match="argument 'value'") as caught:
            remember_one.delay("x" * 2**20)

        assert caught.value.size > caught.value.limit == 2**20
        assert app.reader.find() == []

    def test_has_a_limit_that_can_be_set(self, configure):
        configure(max_payload_bytes=200)

        with pytest.raises(PayloadTooLargeError, match="more than 200"):
            remember_one.delay("x" * 200)


class TestMany:
    def test_are_stored_in_one_write_in_the_order_given(self, app, recorder):
        jobs = remember_one.options(queue="mail").delay_many([("a",), ("b",), ("c",)])

        work_off()

        assert [job.queue for job in jobs] == ["mail"] * 3
        assert recorder.facts("remembered") == ["a", "b", "c"]

    def test_take_one_tuple_each(self, app):
        with pytest.raises(OptionError, match=r"one tuple of arguments for each job, got 'a': write \(value,\)"):
            remember_one.delay_many(["a"])

    def test_are_all_refused_with_one_of_them(self, app):
        with pytest.raises(mongojobs.UnstorableValueError, match="argument 'value'"):
            remember_one.delay_many([(1,), (object(),)])

        assert app.reader.find() == []

    def test_cannot_share_a_job_id(self, app):
        with pytest.raises(OptionError, match="job_id identifies one job"):
            remember_one.options(job_id="a").delay_many([(1,)])

    def test_may_be_none(self, app):
        assert remember_one.delay_many([]) == []

    def test_say_which_are_stored_when_not_all_are(self, app, connection):
        database = connection.get_default_database()
        database.create_collection("delayed_jobs", validator={"handler.args": {"$ne": "refused"}})

        with pytest.raises(PartialEnqueueError, match="2 of 3 jobs were stored") as caught:
            remember_one.delay_many([("a",), ("refused",), ("c",)])

        assert set(caught.value.stored) == {job.id for job in app.reader.find()}
        assert len(caught.value.not_stored) == 1


class TestTheStoredJob:
    def test_can_be_read_in_the_shell(self, app, connection):
        job = remember.options(queue="mail").delay(1, name="Ann")

        document = connection.get_default_database().delayed_jobs.find_one({"handler.kwargs.name": "Ann"})
        assert document["_id"] == job.id
        assert document["name"] == "tests.support.sample_jobs.remember"
        assert document["handler"] == {
            "v": 1,
            "kind": "function",
            "target": "tests.support.sample_jobs.remember",
            "args": [1],
            "kwargs": {"name": "Ann"},
        }

    def test_has_no_lock_and_no_error(self, app, connection):
        remember_one.delay(1)

        document = connection.get_default_database().delayed_jobs.find_one()
        assert not {"locked_at", "locked_by", "locked_until", "lock_token", "failed_at", "last_error"} & set(document)
        assert (document["state"], document["attempts"], document["fence"]) == ("ready", 0, 0)

    def test_of_a_document_has_its_key_and_no_other_attribute(self, app):
        group = Group(name="The secret name").save()

        job = mongojobs.delay(group).greet()

        assert isinstance(group.id, ObjectId)
        assert str(group.id) in str(job.handler)
        assert "secret" not in str(job.handler)

    def test_can_be_cancelled_and_retried_and_deleted(self, app, recorder):
        band = Band(name="X").save()
        job = band.delay.play("song")

        app.cancel(job.id)
        assert work_off() == (0, 0)
        app.retry(job.id)
        assert work_off() == (1, 0)

        with pytest.raises(mongojobs.StateError, match="it never existed, or it has completed"):
            app.delete(job.id)
