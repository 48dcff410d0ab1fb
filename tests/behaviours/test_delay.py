"""``delay`` for methods, and ``handle_asynchronously``: the seed's own spelling."""

import asyncio
import copy
import inspect
import pickle
from datetime import UTC, datetime

import pytest

import mongojobs
from mongojobs import ArgumentsError, NotAJobError, OptionError, UnsavedDocumentError, delay, handle_asynchronously
from tests.support.documents import Group, User
from tests.support.sample_documents import Band, Coincidence, Delayed, Roadie, Tribute
from tests.support.sample_jobs import NoLuckError, NotDeclared, remember_one, takes_any_name
from tests.support.working import work_off


@pytest.fixture
def band(app):
    return Band(name="Abba").save()


class TestTheSeed:
    def test_updates_the_users_of_a_group(self, app):
        group = Group(name="X").save()
        User(name="Ann", group=group, status="old").save()
        User(name="Bob", status="old").save()

        delay(group).update_users()
        work_off()

        assert [user.status for user in User.objects.order_by("name")] == ["updated", "old"]


class TestADelayedMethod:
    @pytest.mark.behaviour("S118")
    def test_is_stored_with_its_target_and_its_arguments(self, app, band):
        job = band.delay.play("Waterloo", encore=True)

        [stored] = app.reader.find()
        assert stored.id == job.id
        assert (stored.handler["kind"], stored.handler["method"]) == ("method", "play")
        assert stored.handler["target"]["v"]["key"] == {"_id": band.id}
        assert (stored.handler["args"], stored.handler["kwargs"]) == (["Waterloo"], {"encore": True})

    @pytest.mark.behaviour("S127", "X25")
    def test_runs_with_its_arguments(self, band, recorder):
        band.delay.play("Waterloo", "SOS", encore=True)

        assert work_off() == (1, 0)

        assert recorder.facts("played") == [("Abba", ("Waterloo", "SOS"), True)]

    def test_does_not_run_at_once(self, band, recorder):
        band.delay.play()

        assert recorder.deeds == []

    def test_may_be_spelled_as_a_call(self, band, recorder):
        delay(band).play("Waterloo")
        band.delay().play("SOS")

        work_off()

        assert [songs for _, songs, _ in recorder.facts("played")] == [("Waterloo",), ("SOS",)]

    @pytest.mark.behaviour("S119", "S120")
    def test_has_the_default_queue_and_priority(self, configure, band):
        configure(default_queue_name="ordinary", default_priority=99)

        job = band.delay.play()

        assert (job.queue, job.priority) == ("ordinary", 99)

    @pytest.mark.behaviour("S121")
    def test_has_exactly_the_priority_and_time_that_are_given(self, app, band):
        moment = datetime(2031, 1, 1, tzinfo=UTC)

        job = band.delay(priority=5, run_at=moment).play()

        stored = app.get(job.id)
        assert (stored.priority, stored.run_at) == (5, moment)

    def test_takes_options_one_after_the_other(self, band):
        job = band.delay(queue="slow", priority=1)(priority=2).play()

        assert (job.queue, job.priority) == ("slow", 2)

    def test_may_be_of_a_class_without_the_mixin(self, app, recorder):
        roadie = Roadie(name="Joe").save()

        delay(roadie, queue="stage").carry("a piano")

        assert work_off(queues="stage") == (1, 0)
        assert recorder.facts("carried") == [("Joe", "a piano")]

    def test_may_be_of_a_document_with_a_field_called_delay(self, app, recorder):
        document = Delayed(delay=7).save()

        delay(document).wait()

        assert work_off() == (1, 0)
        assert recorder.facts("waited") == [7]

    def test_may_be_inherited(self, app, recorder):
        Tribute(name="Björn Again").save().delay.play("SOS")

        assert work_off() == (1, 0)

        assert recorder.facts("played") == [("Björn Again", ("SOS",), False)]

    def test_may_be_async(self, band, recorder):
        band.delay.rehearse("SOS")

        assert work_off() == (1, 0)

        assert recorder.facts("rehearsed") == [("Abba", "SOS")]

    @pytest.mark.behaviour("S131")
    def test_may_be_of_the_class(self, app, recorder):
        Band.delay.count_all(least=3)
        Tribute.delay.count_all()

        assert work_off() == (2, 0)

        assert recorder.facts("counted") == [(Band, 3), (Tribute, 0)]

    def test_may_be_static(self, app, band, recorder):
        Band.delay.applaud(3)
        band.delay.applaud(times=4)

        assert work_off() == (2, 0)

        assert recorder.facts("applauded") == [3, 4]

    def test_that_changes_its_document_saves_it_where_it_came_from(self, app, band):
        band.delay.rename("Björn, Benny & Co.")

        work_off()

        assert Band.objects.get(id=band.id).name == "Björn, Benny & Co."

    def test_that_raises_fails_the_job(self, app, band):
        job = band.delay.quarrel()

        assert work_off() == (0, 1)

        assert app.get(job.id).last_error.startswith("NoLuckError: the drummer left\n")


class TestARefusal:
    @pytest.mark.behaviour("S128")
    def test_of_a_method_that_is_missing_names_the_nearest(self, app, band):
        with pytest.raises(NotAJobError, match="Band has no method 'pley': did you mean 'play'"):
            band.delay.pley()

        assert app.reader.find() == []

    def test_of_an_attribute_that_is_not_a_method(self, app):
        with pytest.raises(NotAJobError, match=r"Coincidence\.max_attempts is no method, but int"):
            Coincidence(name="X").save().delay.max_attempts()

    def test_of_a_generator_says_that_it_would_run_nothing(self, app, band):
        with pytest.raises(NotAJobError, match=r"Band\.improvise cannot be a job: it is a generator.*return instead"):
            band.delay.improvise()
        with pytest.raises(NotAJobError, match=r"Band\.improvise_all cannot be a job: it is an async generator"):
            delay(Band).improvise_all()

        assert app.reader.find() == []

    def test_of_arguments_shows_the_signature(self, band):
        with pytest.raises(ArgumentsError, match=r"Band#rename\(name: str\).*missing a required argument: 'name'"):
            band.delay.rename()

    @pytest.mark.parametrize("name", ["delete", "save", "reload", "modify"])
    def test_of_the_methods_of_mongoengine_says_to_define_one(self, band, name):
        with pytest.raises(NotAJobError, match="is MongoEngine's own: define a method that calls it"):
            getattr(band.delay, name)()

    def test_of_an_instance_method_on_the_class(self, app):
        with pytest.raises(NotAJobError, match=r"Band\.play is an instance method: call it on an instance"):
            Band.delay.play()

    @pytest.mark.behaviour("S65")
    def test_of_an_unsaved_document(self, app):
        with pytest.raises(UnsavedDocumentError, match="the target is a Band that is not in the database"):
            Band(name="X").delay.play()

    def test_of_an_unknown_option_names_the_nearest(self, band):
        with pytest.raises(OptionError, match="unknown option 'prioritty', did you mean priority"):
            band.delay(prioritty=3)

    def test_of_a_function_says_how_to_delay_it(self, app):
        with pytest.raises(NotAJobError, match=r"write function\.delay"):
            delay(remember_one)

    def test_of_an_object_that_no_worker_could_find(self, app):
        with pytest.raises(NotAJobError, match="neither a MongoEngine document nor a registered class"):
            delay(NotDeclared()).perform()


NAMES = {"self": 1, "cls": 2, "args": 3, "kwargs": 4, "target": 5, "method": 6, "name": 7, "queue": 8, "options": 9}


class TestAnArgument:
    """May have any name that Python allows."""

    def test_of_a_method(self, band, recorder):
        band.delay.take_any_name(**NAMES)
        band.take_any_name_later(**NAMES)
        band.take_any_name_later.delay(**NAMES)
        band.take_any_name_later.without_delay(**NAMES)

        assert work_off() == (3, 0)

        assert recorder.facts("names") == [NAMES] * 4

    def test_of_a_function(self, app, recorder):
        takes_any_name(**NAMES)
        takes_any_name.delay(**NAMES)
        takes_any_name.options(queue="mail").delay(**NAMES)
        asyncio.run(takes_any_name.adelay(**NAMES))

        assert work_off() == (3, 0)

        assert recorder.facts("names") == [NAMES] * 4


class TestTheProxy:
    def test_of_a_method_looks_like_it(self, band):
        assert band.delay.rename.__name__ == "rename"
        assert str(inspect.signature(band.delay.rename)) == "(name: str) -> None"
        assert repr(band.delay.missing) == f"<delay {band!r}.missing>"

    @pytest.mark.parametrize("name", ["_tune", "__deepcopy__", "__len__", "_anything"])
    def test_delays_no_name_with_an_underscore(self, app, band, name):
        with pytest.raises(AttributeError, match="names that begin with an underscore cannot be delayed"):
            getattr(band.delay, name)

    def test_can_be_looked_at_without_storing_a_job(self, app, band):
        shown = repr(band.delay), repr(band.delay.play), str(delay(Band))

        assert shown[0] == f"<delay {band!r}>"
        assert shown[1] == f"<delay {band!r}.play>"
        assert app.reader.find() == []

    @pytest.mark.parametrize("tool", [copy.copy, copy.deepcopy, pickle.dumps, hash, bool])
    def test_stores_no_job_for_the_tools_of_python(self, app, tool):
        tool(delay(Band))

        assert app.reader.find() == []


class TestHandleAsynchronously:
    @pytest.mark.behaviour("S115")
    def test_stores_one_job_of_the_method_with_the_same_arguments(self, app, band):
        job = band.tour("Rome", year=1979)

        [stored] = app.reader.find()
        assert stored.id == job.id
        assert stored.handler["method"] == "tour"
        assert (stored.handler["args"], stored.handler["kwargs"]) == (["Rome"], {"year": 1979})

    @pytest.mark.behaviour("S115")
    def test_runs_the_method_itself_in_the_worker(self, app, band, recorder):
        band.tour("Rome", year=1979)

        assert work_off() == (1, 0)

        assert recorder.facts("toured") == [("Abba", ("Rome",), {"year": 1979})]
        assert app.reader.find() == []

    def test_leaves_a_way_to_run_it_at_once(self, app, band, recorder):
        answer = band.tour.without_delay("Rome")

        assert answer == "home again"
        assert recorder.deeds == ["toured"]
        assert app.reader.find() == []

    def test_may_be_spelled_with_delay_too(self, app, band, recorder):
        band.tour.delay("Rome")
        band.delay.tour("Oslo")

        assert work_off() == (2, 0)

        assert [cities for _, cities, _ in recorder.facts("toured")] == [("Rome",), ("Oslo",)]

    def test_takes_options(self, band):
        job = band.record()

        assert (job.priority, job.queue) == (5, "records")

    @pytest.mark.behaviour("S116", "X10")
    def test_evaluates_an_option_without_parameters_at_each_call(self, band, recorder):
        jobs = [band.rest(), band.rest()]

        assert [job.priority for job in jobs] == [8, 8]
        assert recorder.deeds == ["evaluated", "evaluated"]

    @pytest.mark.behaviour("S117")
    def test_gives_the_instance_to_an_option_with_a_parameter(self, band):
        job = band.split_up()

        assert (job.priority, job.queue) == (4, "queue of Abba")

    def test_checks_what_an_option_gives(self, app):
        band = Band(name="a,b").save()

        with pytest.raises(OptionError, match="queue must not begin with"):
            band.split_up()

    @pytest.mark.behaviour("S114")
    def test_keeps_names_that_end_in_an_underscore(self, band, recorder):
        band.print_("a poster")
        band.print_.without_delay("a ticket")

        assert work_off() == (1, 0)

        assert recorder.facts("printed") == ["a ticket", "a poster"]

    @pytest.mark.behaviour("S129")
    def test_may_be_used_on_a_private_method(self, band, recorder):
        job = band._sign()

        assert work_off() == (1, 0)

        assert job.name == "Band#_sign"
        assert recorder.facts("signed") == ["Abba"]

    def test_may_be_used_on_an_async_method(self, band, recorder):
        band.stream("SOS")

        assert work_off() == (1, 0)

        assert recorder.facts("streamed") == ["SOS"]

    def test_may_be_used_on_a_class_method(self, band, recorder):
        Band.reunite(1999)
        band.reunite(2021)
        Tribute.reunite.without_delay(2000)

        assert work_off() == (2, 0)

        assert recorder.facts("reunited") == [(Tribute, 2000), (Band, 1999), (Band, 2021)]

    def test_may_be_used_on_a_class_method_of_an_instance_that_is_not_saved(self, app, recorder):
        job = Band(name="X").reunite(1999)

        assert work_off() == (1, 0)

        assert (job.name, recorder.facts("reunited")) == ("Band.reunite", [(Band, 1999)])

    def test_may_be_used_on_a_static_method(self, app, recorder):
        Band.advertise("soon")

        assert work_off() == (1, 0)

        assert recorder.facts("advertised") == ["soon"]

    def test_is_inherited(self, app, recorder):
        Tribute(name="Björn Again").save().tour()

        assert work_off() == (1, 0)

        assert recorder.facts("toured") == [("Björn Again", (), {})]

    def test_checks_arguments_at_the_call(self, app, band):
        with pytest.raises(ArgumentsError, match="print_"):
            band.print_()

    def test_refuses_a_call_on_the_class_of_an_instance_method(self, app):
        with pytest.raises(NotAJobError, match="instance method"):
            Band.tour("Rome")

    def test_looks_like_the_method_on_a_class_and_on_an_instance(self):
        method = vars(Band)["take_any_name_later"]

        for_all = [method, Band.take_any_name_later, Band(name="X").take_any_name_later]

        assert [one.__doc__ for one in for_all] == ["Do it later."] * 3
        assert [one.__name__ for one in for_all] == ["take_any_name_later"] * 3
        assert [one.__qualname__ for one in for_all] == ["Band.take_any_name_later"] * 3
        assert [one.__module__ for one in for_all] == ["tests.support.sample_documents"] * 3
        assert [str(inspect.signature(one)) for one in for_all[1:]] == [
            "(this, **names: Any) -> None",
            "(**names: Any) -> None",
        ]

    def test_is_named_by_its_name(self):
        assert repr(Band.tour) == f"<asynchronous {Band!r}.tour>"
        assert repr(vars(Band)["tour"]) == "<asynchronous tests.support.sample_documents.Band.tour>"

    def test_keeps_name_and_docstring(self):
        def method(self):
            """Do something."""

        wrapped = handle_asynchronously(method)

        assert (wrapped.__name__, wrapped.__doc__) == ("method", "Do something.")

    def test_runs_inline_where_jobs_are_not_delayed(self, configure, band, recorder):
        configure(delay_jobs=False)

        band.tour("Rome")

        assert recorder.facts("toured") == [("Abba", ("Rome",), {})]

    def test_stores_a_job_when_it_is_called_inside_a_job(self, app, band, recorder):
        delay(band).tour("Rome")

        assert work_off(1) == (1, 0)

        assert app.reader.find() == []
        assert recorder.deeds == ["toured"]


class TestAJobStoredBefore:
    def test_that_names_a_generator_does_not_succeed(self, app, band):
        job = band.delay.play()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.method": "improvise"}})

        assert work_off() == (0, 1)

        assert "Band.improvise cannot be a job" in app.get(job.id).last_error


class TestAPlantedCall:
    @pytest.mark.parametrize("method", ["_drink", "_strike", "_swear"])
    def test_of_a_private_method_runs_nothing(self, app, recorder, method):
        job = delay(Roadie(name="Joe").save()).carry("a piano")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.method": method, "handler.args": []}})

        assert work_off() == (0, 1)

        assert recorder.deeds == []
        assert f"Roadie.{method} cannot be a job: a private" in app.get(job.id).last_error

    @pytest.mark.parametrize("method", ["_strike", "_swear"])
    def test_of_a_private_method_of_a_class_runs_nothing(self, app, recorder, method):
        job = Band.delay.count_all()
        changes = {"handler.target": "tests.support.sample_documents.Roadie", "handler.method": method}
        app.store.collection.update_one({"_id": job.id}, {"$set": changes})

        assert work_off() == (0, 1)

        assert recorder.deeds == []
        assert app.get(job.id).state == "failed"

    def test_of_a_private_method_of_a_delayable_class_runs_nothing(self, app, band, recorder):
        job = band.delay.quarrel()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.method": "_tune"}})

        assert work_off() == (0, 1)

        assert recorder.deeds == []


class TestAnInlineFailure:
    def test_reaches_the_caller(self, configure, band):
        configure(delay_jobs=False)

        with pytest.raises(NoLuckError, match="the drummer left"):
            band.delay.quarrel()


def test_the_functions_are_found_at_the_top_of_the_package():
    assert (mongojobs.delay, mongojobs.handle_asynchronously) == (delay, handle_asynchronously)
