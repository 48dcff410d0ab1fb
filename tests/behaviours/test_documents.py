"""MongoEngine's documents in payloads: as targets, as arguments, inside job objects."""

import pytest

from mongojobs import UnsavedDocumentError, enqueue
from tests.support.sample_documents import Band, Roadie
from tests.support.sample_jobs import (
    Newsletter,
    forgets_what_is_gone,
    remember_and_fail,
    remember_one,
    succeeds_on_third_try,
    waits_for_what_is_gone,
)
from tests.support.working import work_off


@pytest.fixture
def band(app):
    return Band(name="Abba").save()


@pytest.fixture
def gone(band):
    """A document that was in the database."""
    band.delete()
    return band


class TestAnUnsavedDocument:
    @pytest.mark.behaviour("S65")
    def test_is_refused_as_a_target(self, app):
        with pytest.raises(UnsavedDocumentError, match=r"Band that is not in the database, .*: save\(\) it first"):
            Band(name="X").delay.play()

        assert app.store.find() == []

    @pytest.mark.behaviour("X27")
    def test_is_refused_as_an_argument(self, app):
        with pytest.raises(UnsavedDocumentError, match="argument 'value' is a Band"):
            remember_one.delay(Band(name="X"))

        assert app.store.find() == []

    @pytest.mark.behaviour("X27")
    def test_is_refused_deep_inside_an_argument(self, app):
        with pytest.raises(UnsavedDocumentError, match=r"argument 'value'\[.bands.\]\[1\] is a Band"):
            remember_one.delay({"bands": [Band(name="X").save(), Band(name="Y")]})

    @pytest.mark.behaviour("X27")
    def test_is_refused_inside_a_job_object(self, app):
        with pytest.raises(UnsavedDocumentError, match=r"Newsletter\.attachment is a Band"):
            enqueue(Newsletter(attachment=Band(name="X")))


class TestADeletedDocument:
    @pytest.mark.behaviour("S66")
    def test_as_a_target_is_found_out_by_the_worker(self, app, gone):
        """The opposite of delayed_job, which refuses it: MongoEngine's documents do not know that they were deleted.

        To ask the database would cost each enqueue a round trip, and to listen to MongoEngine's signal would make it
        delete the documents of a query one by one.
        """
        job = gone.delay.play()

        assert work_off() == (0, 1)

        stored = app.get(job.id)
        assert (stored.state, stored.attempts) == ("failed", 1)
        assert stored.last_error.startswith("DocumentGoneError: the target: ")

    @pytest.mark.behaviour("S68")
    def test_fails_the_job_at_once(self, app, band):
        job = band.delay.play()
        band.delete()

        assert work_off() == (0, 1)

        stored = app.get(job.id)
        assert (stored.state, stored.attempts) == ("failed", 1)
        assert stored.last_error.startswith("DocumentGoneError: the target: ")
        assert str(band.id) in stored.last_error

    def test_as_an_argument_is_named(self, app, band):
        job = remember_one.delay(band)
        band.delete()

        work_off()

        assert app.get(job.id).last_error.startswith("DocumentGoneError: argument 'value': ")

    def test_discards_the_job_if_it_was_so_declared(self, app, band):
        job = forgets_what_is_gone.delay(band)
        band.delete()

        assert work_off() == (0, 0)

        assert app.get(job.id).state == "cancelled"

    def test_lets_the_job_try_again_if_it_was_so_declared(self, app, band, clock, recorder):
        waits_for_what_is_gone.delay(band)
        band.delete()

        assert work_off() == (0, 1)
        band.save(force_insert=True)
        clock.advance(seconds=6)
        assert work_off() == (1, 0)

        assert [found.id for found in recorder.facts("found")] == [band.id]


class TestAChangedDocument:
    @pytest.mark.behaviour("S67")
    def test_is_seen_with_its_new_values(self, band, recorder):
        band.delay.play("SOS")
        Band.objects(id=band.id).update(name="Abba reunited")

        work_off()

        assert recorder.facts("played") == [("Abba reunited", ("SOS",), False)]

    @pytest.mark.behaviour("S3", "S170")
    def test_is_loaded_anew_at_each_run(self, band, clock, recorder):
        remember_and_fail.delay(band)

        work_off()
        Band.objects(id=band.id).update(name="changed between the runs")
        clock.advance(seconds=6)
        work_off()

        first, second = recorder.facts("remembered")
        assert (first.name, second.name) == ("Abba", "changed between the runs")
        assert first is not second


class TestADocument:
    @pytest.mark.behaviour("S86")
    def test_may_be_in_two_attributes_and_is_the_same_in_both(self, app, band, recorder):
        remember_one.delay({"first": band, "second": [band]})

        assert work_off() == (1, 0)

        [seen] = recorder.facts("remembered")
        assert seen["first"] == band
        assert seen["first"] is seen["second"][0]

    def test_may_be_target_and_argument_at_once(self, band, recorder):
        band.delay.play(band)

        work_off()

        [(_, (song,), _)] = recorder.facts("played")
        assert song == band

    def test_may_be_an_attribute_of_a_job_object(self, band, recorder):
        enqueue(Newsletter("about them", attachment=band))

        assert work_off() == (1, 0)

        assert recorder.facts("sent") == ["about them"]

    def test_may_refer_to_another(self, band, recorder):
        Roadie(name="Joe", band=band).save()

        remember_one.delay(Roadie.objects.get(name="Joe"))
        work_off()

        [seen] = recorder.facts("remembered")
        assert seen.band.name == "Abba"


class TestAnAttempt:
    def test_is_counted_by_the_job_and_not_by_the_payload(self, app, clock, recorder):
        succeeds_on_third_try.delay()

        work_off()
        clock.advance(seconds=6)
        work_off()

        assert recorder.facts("tried") == [0, 1]
