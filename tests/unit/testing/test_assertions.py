"""``assert_enqueued`` and ``refute_enqueued``: what they find, and what they say."""

from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest

from mongojobs import ConfigurationError, NotAJobError, OptionError, enqueue
from mongojobs.testing import assert_enqueued, drain, mode, refute_enqueued
from tests.support.clock import START
from tests.support.jobs import HANDLER, a_job
from tests.support.sample_documents import Band, Tribute
from tests.support.sample_jobs import (
    Ceremonious,
    Newsletter,
    NewsletterOfName,
    NotDeclared,
    Recipe,
    cook,
    remember,
    remember_as_declared,
    remember_one,
)

REMEMBER = "tests.support.sample_jobs.remember"


@pytest.fixture(autouse=True)
def fake():
    with mode("fake") as entered:
        yield entered


@pytest.fixture
def band(mock_connection):
    return Band(name="Blur").save()


def message_of(assertion, *arguments, **keywords):
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **keywords)
    return str(caught.value)


class TestTarget:
    def test_may_be_a_function(self):
        job = remember_one.delay(1)

        assert assert_enqueued(remember_one) == job

    def test_may_be_a_name(self):
        job = remember.delay(1)

        assert assert_enqueued(REMEMBER) == job

    def test_is_not_found_when_another_function_is_enqueued(self):
        remember_one.delay(1)

        with pytest.raises(AssertionError):
            assert_enqueued(remember)

    def test_may_be_the_class_of_a_job_object(self):
        job = enqueue(NewsletterOfName("hi"))

        assert assert_enqueued(NewsletterOfName) == job

    def test_of_a_class_is_not_found_when_another_is_enqueued(self):
        enqueue(NewsletterOfName())

        with pytest.raises(AssertionError):
            assert_enqueued(Newsletter)

    def test_may_be_an_equal_job_object(self):
        enqueue(Newsletter("no"))
        job = enqueue(Newsletter("yes"))

        assert assert_enqueued(Newsletter("yes")) == job

    def test_may_be_a_job_object_with_values_that_have_no_order(self):
        job = enqueue(Newsletter("hi", attachment={"a", "b", "c", "d"}))

        assert assert_enqueued(Newsletter("hi", attachment={"d", "c", "b", "a"})) == job

    def test_of_a_job_object_is_not_found_when_its_fields_differ(self):
        enqueue(Newsletter("no"))

        with pytest.raises(AssertionError):
            assert_enqueued(Newsletter("yes"))

    def test_of_a_job_object_is_not_found_when_what_it_holds_is_gone(self, band):
        enqueue(Newsletter("no", attachment=band))
        band.delete()

        refute_enqueued(Newsletter("yes", attachment=band))

    def test_may_be_a_method_of_a_document(self, band):
        Band(name="Oasis").save().delay.play("Wonderwall")
        job = band.delay.play("Song 2")

        assert assert_enqueued(band.play) == job

    def test_of_a_document_is_not_found_for_another_one(self, band):
        Band(name="Oasis").save().delay.play("Wonderwall")

        with pytest.raises(AssertionError):
            assert_enqueued(band.play)

    def test_of_a_document_is_found_without_loading_it(self, band):
        job = band.delay.play()
        band.delete()

        assert assert_enqueued(band.play) == job

    def test_of_a_document_is_found_when_it_has_unsaved_changes(self, band):
        job = band.delay.play()
        band.name = "Gorillaz"

        assert assert_enqueued(band.play) == job

    def test_may_be_a_method_of_any_document(self, band):
        job = band.delay.play("Song 2")

        assert assert_enqueued(Band.play) == job

    def test_may_be_an_inherited_method(self, mock_connection):
        job = Tribute(name="Blur again").save().delay.play()

        assert assert_enqueued(Tribute.play) == job

    def test_of_a_method_is_not_found_when_another_is_enqueued(self, band):
        band.delay.rename("Gorillaz")

        with pytest.raises(AssertionError):
            assert_enqueued(band.play)

    def test_of_a_method_is_not_found_when_the_class_of_a_job_is_not_imported(self, fake):
        target = {"__mj": "document", "v": {"class": "app.models.Gone", "key": {"_id": 1}}}
        fake.store.insert(a_job(handler=HANDLER | {"kind": "method", "target": target, "method": "play"}))

        refute_enqueued(Band.play)

    def test_may_be_a_method_that_is_handled_asynchronously(self, band):
        job = band.tour("London")

        assert assert_enqueued(band.tour) == job
        assert assert_enqueued(Band.tour) == job

    def test_may_be_a_class_method(self, band):
        job = Band.delay.count_all()

        assert assert_enqueued(Band.count_all) == job

    def test_of_a_class_method_is_not_found_for_another_class(self, band):
        Tribute.delay.count_all()

        with pytest.raises(AssertionError):
            assert_enqueued(Band.count_all)

    def test_may_be_a_static_method(self):
        job = Band.delay.applaud(3)

        assert assert_enqueued(Band.applaud) == job

    def test_may_be_a_class_method_that_is_handled_asynchronously(self):
        job = Band.reunite(2009)

        assert assert_enqueued(Band.reunite) == job

    @pytest.mark.parametrize("thing", [NotDeclared, NotDeclared(), print, 7, message_of])
    def test_must_be_a_job(self, thing):
        with pytest.raises(NotAJobError, match="is no job: give a function or class declared with @job"):
            assert_enqueued(thing)


class TestArguments:
    def test_are_compared(self):
        remember.delay(1)
        job = remember.delay(2)

        assert assert_enqueued(remember, args=(2,)) == job

    def test_are_not_compared_unless_given(self):
        job = remember.delay(1, 2, x=3)

        assert assert_enqueued(remember) == job
        assert assert_enqueued(remember, args=[1, 2]) == job
        assert assert_enqueued(remember, kwargs={"x": 3}) == job

    def test_must_be_all_there(self):
        remember.delay(1, 2, x=3, y=4)

        refute_enqueued(remember, args=(1,))
        refute_enqueued(remember, kwargs={"x": 3})
        refute_enqueued(remember, args=())

    def test_may_be_of_any_type_that_can_be_stored(self):
        values = (START, {1, 2}, Recipe("soup"), b"bytes", {"a": [1, (2,)]})
        job = remember.delay(*values)
        cook.delay(Recipe("soup"))

        assert assert_enqueued(remember, args=values) == job
        assert_enqueued(cook, args=(Recipe("soup"),))

    def test_may_be_anything_that_claims_to_be_equal(self):
        job = remember.delay(1, object_id=2)

        assert assert_enqueued(remember, args=(ANY,), kwargs={"object_id": ANY}) == job

    def test_may_be_documents(self, band):
        job = remember.delay(band)
        band.delete()

        assert assert_enqueued(remember, args=(band,)) == job

    def test_of_other_documents_differ(self, band):
        remember.delay(Band(name="Oasis").save())

        refute_enqueued(remember, args=(band,))

    def test_differ_when_the_stored_document_is_gone(self, band):
        remember.delay(band)
        band.delete()

        refute_enqueued(remember, args=(7,))

    def test_may_have_names_that_no_parameter_can_have(self):
        odd = {"__mj": 1}
        job = remember.delay(**odd)

        assert assert_enqueued(remember, kwargs=odd) == job
        refute_enqueued(remember, kwargs={"__mj": 2})

    def test_of_a_job_object_are_its_fields(self):
        job = enqueue(Newsletter("hi"))

        assert assert_enqueued(Newsletter, kwargs={"text": "hi", "attachment": None}) == job


class TestOptions:
    def test_compare_the_queue(self):
        remember_one.delay(1)
        job = remember_one.options(queue="mail").delay(1)

        assert assert_enqueued(remember_one, queue="mail") == job

    def test_compare_the_priority(self):
        job = remember_as_declared.delay()

        assert assert_enqueued(remember_as_declared, priority=7) == job
        refute_enqueued(remember_as_declared, priority=0)

    def test_compare_the_time(self):
        job = remember_one.options(run_at=START).delay(1)

        assert assert_enqueued(remember_one, run_at=START) == job
        refute_enqueued(remember_one, run_at=START + timedelta(seconds=2))

    def test_compare_the_time_give_or_take_a_second(self):
        job = remember_one.options(run_in=3600).delay(1)

        assert assert_enqueued(remember_one, run_at=datetime.now(UTC) + timedelta(hours=1)) == job

    def test_compare_the_time_give_or_take_what_is_wanted(self):
        remember_one.options(run_at=START).delay(1)

        assert_enqueued(remember_one, run_at=START + timedelta(hours=1), delta=timedelta(hours=1))
        refute_enqueued(remember_one, run_at=START + timedelta(milliseconds=1), delta=timedelta(0))

    def test_must_have_a_zone(self):
        with pytest.raises(ValueError, match="a time must carry its zone"):
            assert_enqueued(remember_one, run_at=datetime(2030, 1, 1))  # noqa: DTZ001


class TestTimes:
    def test_must_be_met(self):
        first, _ = remember_one.delay(1), remember_one.delay(1)

        assert assert_enqueued(remember_one, times=2) == first

    def test_must_not_be_exceeded(self):
        remember_one.delay_many([(1,), (1,), (1,)])

        said = message_of(assert_enqueued, remember_one, times=2)

        assert said.startswith("3 such jobs are enqueued, wanted 2\n")

    def test_must_not_be_missed(self):
        remember_one.delay(1)
        remember_one.delay(2)

        said = message_of(assert_enqueued, remember_one, args=(1,), times=2)

        assert said.startswith("1 such job is enqueued, wanted 2\n")
        assert "args[0]: wanted 1, got 2" in said

    def test_must_be_one_at_least(self):
        with pytest.raises(OptionError, match="times must be 1 or more, got 0: use refute_enqueued"):
            assert_enqueued(remember_one, times=0)


class TestMessage:
    def test_shows_what_was_wanted_the_nearest_job_and_how_it_differs(self):
        Band.delay.applaud(1)
        near = remember.options(queue="mail", run_at=START).delay(1, 2, x=3)

        said = message_of(
            assert_enqueued,
            remember,
            args=(1, 7),
            kwargs={"x": 4, "y": 5},
            queue="post",
            priority=3,
            run_at=START + timedelta(hours=1),
        )

        options = "queue='post', priority=3, run_at=2030-01-01T13:00:00+00:00 (give or take 1 s)"
        wanted = f"{REMEMBER}, args=(1, 7), kwargs={{'x': 4, 'y': 5}}, {options}"
        assert said.splitlines() == [
            "no such job is enqueued",
            f"  wanted: {wanted}",
            f"  nearest: {REMEMBER} (id={near.id}, queue=mail)",
            "    args[1]: wanted 7, got 2",
            "    kwargs['x']: wanted 4, got 3",
            "    kwargs['y']: wanted 5, got nothing",
            "    queue: wanted 'post', got 'mail'",
            "    priority: wanted 3, got 0",
            "    run_at: wanted 2030-01-01T13:00:00+00:00, got 2030-01-01T12:00:00+00:00",
            "  enqueued: 2",
            "    1 x Band.applaud",
            f"    1 x {REMEMBER}",
        ]

    def test_says_when_nothing_is_enqueued(self):
        said = message_of(assert_enqueued, remember_one)

        assert said.splitlines()[-1] == "  enqueued: nothing"

    def test_shows_the_job_with_the_fewest_differences(self):
        remember.options(queue="mail").delay(1)
        remember.delay(2)

        said = message_of(assert_enqueued, remember, args=(1,), queue="post")

        assert "queue=mail" in said
        assert "args[0]" not in said

    def test_shows_the_job_with_the_nearest_name_when_there_is_none_of_the_kind(self, band):
        band.delay.rename("Gorillaz")
        remember.delay()

        said = message_of(assert_enqueued, "Band#renamed")

        assert "    job: wanted Band#renamed, got Band#rename" in said

    def test_shows_arguments_that_are_too_few_together(self):
        remember.delay(1)

        said = message_of(assert_enqueued, remember, args=(1, 2))

        assert "    args: wanted (1, 2), got (1,)" in said

    def test_shows_keywords_that_were_not_wanted(self):
        remember.delay(x=1)

        said = message_of(assert_enqueued, remember, kwargs={})

        assert "    kwargs['x']: wanted nothing, got 1" in said

    def test_shows_another_document_by_its_key(self, band):
        other = Band(name="Oasis").save()
        other.delay.play(band)

        said = message_of(assert_enqueued, band.play, args=(other,))

        assert f"    target: wanted Band {band.pk}, got Band {other.pk}" in said
        assert f"    args[0]: wanted Band {other.pk}, got Band {band.pk}" in said

    def test_shows_another_job_object_by_its_fields(self):
        enqueue(Newsletter("no"))

        said = message_of(assert_enqueued, Newsletter("yes"))

        wanted = "Newsletter(text='yes', attachment=None)"
        assert f"    object: wanted {wanted}, got Newsletter(text='no', attachment=None)" in said

    def test_shows_values_that_cannot_be_loaded_as_they_are_stored(self, band):
        remember.delay([band])
        band.delete()

        said = message_of(assert_enqueued, remember, args=(7,))

        assert "args[0]: wanted 7, got [{'__mj': 'document'" in said

    def test_cuts_long_values(self):
        remember.delay("x" * 10_000)

        said = message_of(assert_enqueued, remember, args=("y" * 10_000,))

        assert len(said) < 1500

    def test_lists_no_more_than_ten_names(self):
        for number in range(12):
            enqueue(NewsletterOfName(str(number)))

        said = message_of(assert_enqueued, remember)

        assert said.splitlines()[-1] == "    ... and 2 more names"


class TestRefute:
    def test_is_content_when_there_is_no_such_job(self):
        remember_one.delay(1)

        refute_enqueued(remember)
        refute_enqueued(remember_one, args=(2,))

    def test_is_content_when_the_job_has_run(self):
        remember_one.delay(1)

        drain()

        refute_enqueued(remember_one)

    def test_says_what_is_there(self):
        remember_one.delay(1)
        remember.delay(1)

        said = message_of(refute_enqueued, remember_one, args=(1,))

        assert said.splitlines() == [
            f"1 such job is enqueued: {REMEMBER}_one, args=(1,)",
            "  enqueued: 1",
            f"    1 x {REMEMBER}_one",
        ]


class TestInInlineMode:
    def test_nothing_can_be_asserted(self):
        with mode("inline"), pytest.raises(ConfigurationError, match=r"assert_enqueued\(\) needs mode\('fake'\)"):
            assert_enqueued(Ceremonious)

    def test_nothing_can_be_refuted(self):
        with mode("inline"), pytest.raises(ConfigurationError, match=r"refute_enqueued\(\) needs mode\('fake'\)"):
            refute_enqueued(Ceremonious)
