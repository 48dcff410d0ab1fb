"""``super()`` into an asynchronous method: the job runs the body that the call meant, once."""

import pytest

import mongojobs
from mongojobs import Delayable, NotAJobError, handle_asynchronously
from mongojobs.testing import assert_enqueued, mode, refute_enqueued
from tests.support.choirs import AtOnce, Choir, Explicit, LoudAndSmall, Plain, Small, Smaller
from tests.support.sample_jobs import recorder
from tests.support.working import work_off


@pytest.mark.behaviour("S115")
class TestACallOfTheOverriddenMethod:
    def test_runs_both_bodies_once_where_both_are_declared(self, app):
        Small(name="trio").save().sing("Amen")

        assert work_off() == (2, 0)

        assert recorder.deeds == ["Small.sing", "Choir.sing"]
        assert recorder.facts("Choir.sing") == [("trio", "Amen")]
        assert app.reader.find() == []

    def test_runs_the_one_at_once_and_the_other_later_where_only_the_base_is_declared(self, app):
        Plain(name="X").save().sing("Amen")
        assert recorder.deeds == ["Plain.sing"]

        assert work_off() == (1, 0)

        assert recorder.deeds == ["Plain.sing", "Choir.sing"]

    def test_runs_both_in_one_job_where_only_the_subclass_is_declared(self, app):
        Small(name="X").save().rest()

        assert work_off() == (1, 0)

        assert recorder.deeds == ["Small.rest", "Choir.rest"]

    def test_goes_up_a_chain_of_three(self, app):
        Smaller(name="X").save().sing("Amen")

        assert work_off() == (3, 0)

        assert recorder.deeds == ["Smaller.sing", "Small.sing", "Choir.sing"]

    def test_follows_the_order_of_mixins(self, app):
        LoudAndSmall(name="X").save().sing("Amen")

        assert work_off() == (3, 0)

        assert recorder.deeds == ["Loud.sing", "Small.sing", "Choir.sing"]
        assert recorder.facts("Choir.sing") == [("X", "AMEN")]

    @pytest.mark.parametrize(("cls", "deeds"), [(Small, ["Small.count"]), (Plain, ["Plain.count"])])
    def test_keeps_the_class_of_a_class_method(self, app, cls, deeds):
        cls.count()

        work_off()

        assert recorder.deeds == [*deeds, "Choir.count"]
        assert recorder.facts("Choir.count") == [cls]

    def test_may_be_of_a_class_method_by_an_instance(self, app):
        Small(name="X").count()

        assert work_off() == (2, 0)

        assert recorder.deeds == ["Small.count", "Choir.count"]

    def test_may_be_async(self, app):
        Small(name="X").save().stream()

        assert work_off() == (2, 0)

        assert recorder.deeds == ["Small.stream", "Choir.stream"]

    def test_may_be_of_a_private_method(self, app):
        Plain(name="X").save()._hum()

        assert work_off() == (1, 0)

        assert recorder.deeds == ["Plain._hum", "Choir._hum"]

    def test_may_name_the_base(self, app):
        Explicit(name="X").save().sing("Amen")

        assert work_off() == (2, 0)

        assert recorder.deeds == ["Explicit.sing", "Choir.sing"]

    def test_without_delay_runs_it_at_once(self, app):
        AtOnce(name="X").save().sing("Amen")

        assert work_off() == (1, 0)

        assert recorder.deeds == ["AtOnce.sing", "Choir.sing"]

    def test_has_the_options_and_the_declaration_of_the_body(self, app):
        Small(name="X").save().sing("Amen")
        work_off(1)

        [job] = app.reader.find()

        assert (job.name, job.queue, job.max_attempts) == ("Choir#sing", "choir", 1)
        assert app.payloads.peek(job.handler).declaration.name == "tests.support.choirs.Choir.sing"

    def test_runs_both_bodies_once_inline(self, configure):
        configure(delay_jobs=False)

        Small(name="X").save().sing("Amen")

        assert recorder.deeds == ["Small.sing", "Choir.sing"]

    def test_is_told_from_the_other_in_tests_of_apps(self, app):
        choir = Small(name="X").save()
        with mode("fake"):
            super(Small, choir).sing("Amen")

            assert_enqueued(Choir.sing)
            refute_enqueued(Small.sing)

    def test_is_shown_with_the_names_of_its_arguments(self, app):
        from mongojobs.payload.show import show_call

        job = super(Small, Small(name="X").save()).sing("Amen")

        [argument] = show_call(app.get(job.id).handler, app.payloads).arguments
        assert argument.name == "song"


class TestAStoredCall:
    def test_of_a_body_that_was_stored_by_its_name_alone_runs_as_before(self, app):
        job = Small(name="X").save().sing("Amen")
        handler = app.get(job.id).handler

        assert (handler["v"], set(handler)) == (1, {"v", "kind", "target", "method", "args", "kwargs"})

    def test_of_an_overridden_body_is_newer_to_older_workers(self, app):
        job = super(Small, Small(name="X").save()).sing("Amen")
        handler = app.get(job.id).handler

        assert (handler["v"], handler["owner"]) == (2, "tests.support.choirs.Choir")

    @pytest.mark.parametrize("owner", ["tests.support.choirs.Plain", "mongoengine.document.Document", "os"])
    def test_of_a_body_that_its_class_may_have_elsewhere_is_put_off(self, app, owner):
        job = super(Small, Small(name="X").save()).sing("Amen")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.owner": owner}})

        work_off()

        assert recorder.deeds == []
        assert app.get(job.id).deferred_reason is not None

    @pytest.mark.parametrize("owner", ["", "\0", None, 5, {"$ne": None}])
    def test_of_a_body_of_what_can_be_no_class_fails(self, app, owner):
        job = super(Small, Small(name="X").save()).sing("Amen")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.owner": owner}})

        work_off()

        assert recorder.deeds == []
        assert app.get(job.id).state == "failed"

    def test_of_a_body_that_was_not_declared_there_fails(self, app):
        job = super(Small, Small(name="X").save()).sing("Amen")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.method": "rest", "handler.args": []}})

        work_off()

        assert recorder.deeds == []
        assert app.get(job.id).state == "failed"


class TestAMethodUnderAnotherName:
    def test_is_stored_by_the_name_in_its_class(self, app):
        mongojobs.register(Renamed)

        Renamed().perform_later("x")

        assert work_off() == (1, 0)
        assert recorder.facts("renamed") == ["x"]

    def test_of_a_class_that_does_not_have_it_is_refused(self, app):
        with pytest.raises(NotAJobError, match=r"Stranger does not have the method .*Renamed\._perform"):
            vars(Renamed)["perform_later"].__get__(Stranger(), Stranger)("x")


class Stranger:
    """Has nothing."""


class Renamed(Delayable):
    def _perform(self, value: str) -> None:
        recorder.note("renamed", value)

    perform_later = handle_asynchronously(_perform)
