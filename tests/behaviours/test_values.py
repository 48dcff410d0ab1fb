"""The values in arguments and job objects arrive equal, or the enqueue is refused."""

import datetime as dt
import importlib
import threading
import time

import pytest

from mongojobs import UnstorableValueError, enqueue
from tests.support import reloaded_values, sample_values
from tests.support.sample_jobs import goes_on_for, remember_one
from tests.support.swapped import HeldDate, HeldDatetime, held_time
from tests.support.working import work_off


def an_ad_hoc_attribute():
    value = sample_values.Simple(3)
    value.label = "three"
    return value


def a_slot():
    value = sample_values.WithSlots(3)
    value.note = "three"
    return value


def a_place():
    value = sample_values.Place(1)
    value.label = "here"
    return value


def a_box():
    return sample_values.Box[int](3)


def a_counted():
    value = sample_values.Simple(3)
    value.twice  # noqa: B018 - which keeps it
    return value


@pytest.fixture
def sent(app, recorder):
    """Sends a value through a job and returns what the job got."""

    def sent(value):
        remember_one.delay(value)
        assert work_off() == (1, 0)
        return recorder.facts("remembered")[-1]

    return sent


class TestADataclass:
    @pytest.mark.parametrize(
        ("make", "attribute"),
        [
            (lambda: sample_values.Order([1, 2]), "total"),
            (lambda: sample_values.Derived(lines=[1], name="x"), "total"),
            (lambda: sample_values.Leaky("kept"), "kept"),
            (lambda: sample_values.Undecorated(1, 2), "extra"),
            (an_ad_hoc_attribute, "label"),
            (a_slot, "note"),
            (a_place, "label"),
        ],
    )
    def test_with_an_attribute_that_is_no_field_is_refused_by_its_name(self, app, make, attribute):
        with pytest.raises(UnstorableValueError, match=rf"argument 'value'.* the attribute '{attribute}'.*field\("):
            remember_one.delay(make())

        assert app.reader.find() == []

    def test_with_such_an_attribute_is_refused_inside_of_others(self, app):
        with pytest.raises(UnstorableValueError, match=r"argument 'value'\[.o.\]\[0\] is a Order with the attribute"):
            remember_one.delay({"o": [sample_values.Order([1])]})

    def test_arrives_with_a_field_that_only_post_init_sets(self, sent):
        back = sent(sample_values.Scaled(scale=3))

        assert (type(back), vars(back)) == (sample_values.Scaled, {"size": 30})

    def test_arrives_with_all_slots_that_are_fields(self, sent):
        assert sent(sample_values.WithSlots(7)) == sample_values.WithSlots(7)

    def test_arrives_without_what_a_cached_property_keeps(self, sent):
        back = sent(a_counted())

        assert (back, back.twice) == (sample_values.Simple(3), 6)

    def test_arrives_if_it_was_made_with_a_parameter_of_its_type(self, sent):
        assert sent(a_box()) == sample_values.Box(3)


class TestAJobObject:
    def test_with_an_attribute_that_is_no_field_is_refused(self, app):
        with pytest.raises(UnstorableValueError, match="Report is a Report with the attribute 'total'"):
            enqueue(sample_values.Report([1, 2]))

        assert app.reader.find() == []

    def test_runs_with_a_field_that_post_init_sets(self, app, recorder):
        report = sample_values.WholeReport([1, 2])
        report.total = 4

        enqueue(report)
        work_off()

        assert recorder.facts("reported") == [4]


class TestAModuleThatIsReadAgain:
    @pytest.mark.parametrize("name", ["Colour", "Ink", "Pen"])
    def test_gives_instances_of_its_new_classes(self, app, recorder, name):
        reloaded_values.colour_and_ink.delay(reloaded_values.make(name))
        assert work_off() == (1, 0)

        importlib.reload(reloaded_values)
        reloaded_values.colour_and_ink.delay(reloaded_values.make(name))

        assert work_off() == (1, 0)
        assert type(recorder.facts("seen")[-1]) is getattr(reloaded_values, name)


class TestTimeHeldByATest:
    VALUES = (
        lambda: dt.datetime.now(dt.UTC),
        lambda: dt.datetime.now() + dt.timedelta(0),  # noqa: DTZ005 - naive on purpose
        lambda: dt.date.today() + dt.timedelta(0),  # noqa: DTZ011 - without a zone on purpose
    )

    @pytest.mark.parametrize("make", VALUES)
    def test_is_stored_as_a_time_of_python(self, app, recorder, make):
        with held_time("mongojobs"):
            value = make()
            remember_one.delay(value)
        remember_one.delay(value)

        assert work_off() == (2, 0)

        assert isinstance(value, HeldDatetime | HeldDate)
        assert recorder.facts("remembered") == [value, value]
        assert {type(back) for back in recorder.facts("remembered")} <= {dt.datetime, dt.date}

    def test_is_stored_where_a_plain_subclass_has_the_place_of_pythons_class(self, app, recorder, monkeypatch):
        class InFlightJob(dt.datetime):
            pass

        monkeypatch.setattr(dt, "datetime", InFlightJob)
        remember_one.delay(dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
        monkeypatch.undo()

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == [dt.datetime(2026, 1, 2, tzinfo=dt.UTC)]

    def test_may_be_given_as_the_time_of_a_job(self, app):
        with held_time("mongojobs"):
            job = remember_one.options(run_at=dt.datetime.now(dt.UTC)).delay(1)

        assert app.get(job.id).run_at == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

    @pytest.mark.parametrize("value", [dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), dt.date(2026, 1, 2)])
    def test_leaves_no_trace_in_an_app_that_was_first_used_meanwhile(self, configure, recorder, value):
        with held_time("mongojobs"):
            configure()
            remember_one.delay(0)

        remember_one.delay(value)

        assert work_off() == (2, 0)
        assert value in recorder.facts("remembered")

    def test_may_reach_a_job_that_runs_meanwhile(self, app, recorder):
        value = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
        with held_time("mongojobs"):
            remember_one.delay(value)

            assert work_off() == (1, 0)

        assert recorder.facts("remembered") == [value]

    def test_that_is_another_one_in_some_threads_ends_no_job(self, app, monkeypatch):
        def held(real=time.monotonic):
            return real() + 10**6 * threading.current_thread().name.endswith("timekeeper")

        monkeypatch.setattr(time, "monotonic", held)
        goes_on_for.delay(0.2)

        assert work_off() == (1, 0)
