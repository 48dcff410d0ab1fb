"""MongoEngine's documents in payloads: as targets, as arguments, inside job objects."""

import math
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from bson import ObjectId
from mongoengine import signals

from mongojobs import StoreUnavailableError, UnsavedDocumentError, enqueue
from mongojobs.payload.documents.references import UnsavedChangesWarning
from tests.support.documents import Address, User
from tests.support.failpoints import failing
from tests.support.sample_documents import Band, City, Roadie
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

        assert app.reader.find() == []

    @pytest.mark.behaviour("X27")
    def test_is_refused_as_an_argument(self, app):
        with pytest.raises(UnsavedDocumentError, match="argument 'value' is a Band"):
            remember_one.delay(Band(name="X"))

        assert app.reader.find() == []

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
    def test_is_loaded_again_at_each_run(self, band, clock, recorder):
        remember_and_fail.delay(band)

        work_off()
        Band.objects(id=band.id).update(name="changed between the runs")
        clock.advance(seconds=6)
        work_off()

        first, second = recorder.facts("remembered")
        assert (first.name, second.name) == ("Abba", "changed between the runs")
        assert first is not second


@pytest.fixture
def in_signal():
    """Does something whenever MongoEngine sends a signal about a class, until the test is over."""
    connected = []

    def in_signal(signal, sender, act):
        def receiver(_sender, document=None, documents=None, **_more):
            for one in [document] if documents is None else documents:
                act(one)

        signal.connect(receiver, sender=sender)
        connected.append((signal, receiver, sender))

    yield in_signal
    for signal, receiver, sender in connected:
        signal.disconnect(receiver, sender=sender)


class TestADocumentWhoseFlagsAreWrong:
    """MongoEngine resets what a document knows of itself after its signals only, or not at all."""

    def test_may_be_delayed_in_post_save_when_it_is_new(self, in_signal, app, recorder):
        in_signal(signals.post_save, Band, lambda band: band.delay.play("SOS"))

        Band(name="Abba").save()

        assert work_off() == (1, 0)
        assert recorder.facts("played") == [("Abba", ("SOS",), False)]

    def test_may_be_delayed_in_post_save_with_a_key_of_its_own(self, in_signal, app, recorder):
        in_signal(signals.post_save, City, remember_one.delay)

        City(code="ams", name="Amsterdam", founded=datetime(1275, 10, 27, 1, 2, 3, 456789, tzinfo=UTC)).save()

        assert work_off() == (1, 0)

    def test_is_not_warned_of_in_post_save_after_a_change(self, in_signal, band, recorder):
        in_signal(signals.post_save, Band, lambda band: band.delay.play())
        band.name = "Abba reunited"

        band.save()

        work_off()
        assert recorder.facts("played") == [("Abba reunited", (), False)]

    def test_is_warned_of_in_pre_save_before_a_change(self, in_signal, band):
        in_signal(signals.pre_save, Band, lambda band: band.delay.play())
        band.name = "Abba reunited"

        with pytest.warns(UnsavedChangesWarning, match="unsaved changes in name"):
            band.save()

    def test_is_not_warned_of_once_another_has_saved_the_same(self, band, app):
        band.name = "Abba reunited"
        Band.objects(id=band.id).update(name="Abba reunited")

        band.delay.play()

        assert work_off() == (1, 0)

    def test_is_not_warned_of_what_others_have_changed_beside_its_own_changes(self, app):
        person = User(address=Address(street="a", city="b")).save()
        person.address.city = "c"
        User.objects(id=person.id).update(address__city="c", address__street="theirs")

        remember_one.delay(person)

        assert work_off() == (1, 0)

    @pytest.mark.parametrize(
        ("make", "field", "value"),
        [
            (lambda: City(code="ams", seal=uuid4()), "seal", uuid4()),
            (lambda: City(code="ams", area=1.5), "area", math.nan),
        ],
        ids=["UUID", "not a number"],
    )
    def test_is_warned_of_values_of_all_kinds_and_only_while_they_differ(self, app, make, field, value):
        document = make().save()
        setattr(document, field, value)
        with pytest.warns(UnsavedChangesWarning, match=f"unsaved changes in {field}"):
            remember_one.delay(document)

        document.save()
        document._mark_as_changed(field)
        remember_one.delay(document)

        assert work_off() == (2, 0)

    def test_is_warned_of_what_is_unsaved_inside_of_it(self, app):
        person = User(address=Address(street="a", city="b")).save()
        person.address.city = "c"

        with pytest.warns(UnsavedChangesWarning, match=r"unsaved changes in address\.city"):
            remember_one.delay(person)

    @pytest.mark.parametrize("load_bulk", [True, False])
    def test_may_be_delayed_in_post_bulk_insert(self, in_signal, app, recorder, load_bulk):
        in_signal(signals.post_bulk_insert, Band, lambda band: band.delay.play())

        Band.objects.insert([Band(name="Abba"), Band(name="Blur")], load_bulk=load_bulk)

        assert work_off() == (2, 0)
        assert sorted(name for name, *_ in recorder.facts("played")) == ["Abba", "Blur"]

    @pytest.mark.parametrize("load_bulk", [True, False])
    def test_may_be_delayed_after_a_bulk_insert(self, app, load_bulk):
        bands = [Band(name="Abba"), Band(name="Blur")]
        Band.objects.insert(bands, load_bulk=load_bulk)

        remember_one.delay_many([(band,) for band in bands])

        assert work_off() == (2, 0)

    def test_may_be_delayed_after_an_update_that_inserted_it(self, app, recorder):
        band = Band(id=ObjectId(), name="Abba")
        band.update(set__name="Abba", upsert=True)

        band.delay.play()  # without a warning: what is not stored has the same default in the job

        assert work_off() == (1, 0)

    def test_is_warned_of_what_an_update_that_inserted_it_left_out(self, app):
        band = Band(id=ObjectId(), name="Abba", size=7)
        band.update(set__name="Abba", upsert=True)

        with pytest.warns(UnsavedChangesWarning, match="unsaved changes in size:"):
            band.delay.play()

    def test_may_be_delayed_in_the_post_save_of_a_cascade(self, in_signal, band, app, recorder):
        roadie = Roadie(name="Joe", band=band).save()
        in_signal(signals.post_save, Band, lambda band: band.delay.play())
        roadie.band.name = "Abba reunited"

        roadie.save(cascade=True)

        assert work_off() == (1, 0)

    def test_may_be_delayed_if_another_process_has_stored_it(self, app):
        stored = {"_id": ObjectId(), "_cls": "Band", "name": "Abba", "size": 4, "calls": 0}
        Band._get_collection().insert_one(stored)

        Band._from_son(dict(stored), created=True).delay.play()

        assert work_off() == (1, 0)

    def test_is_refused_if_its_key_was_changed_to_one_that_is_not_there(self, band, app):
        band.id = ObjectId()

        with pytest.raises(UnsavedDocumentError):
            band.delay.play()

    def test_is_refused_if_it_was_turned_to_a_collection_without_it(self, configure, band):
        configure(switched_collections=["old_bands"])
        band.switch_collection("old_bands")

        with pytest.raises(UnsavedDocumentError):
            band.delay.play()

    def test_may_be_delayed_from_a_collection_that_it_was_saved_to(self, configure, band, recorder):
        configure(switched_collections=["old_bands"])
        band.switch_collection("old_bands", keep_created=False)
        band.save()

        band.delay.play()

        assert work_off() == (1, 0)

    def test_is_looked_for_within_the_session_of_the_enqueue(self, connection, app):
        band = Band(id=ObjectId(), name="Abba")
        Band._get_collection().insert_one({"_id": ObjectId()})
        app.create_indexes()
        with connection.start_session() as session, session.start_transaction():
            Band._get_collection().insert_one(band.to_mongo(), session=session)
            band.delay(session=session).play()

        assert work_off() == (1, 0)

    def test_is_refused_if_only_a_transaction_of_others_has_it(self, connection, app):
        band = Band(id=ObjectId(), name="Abba")
        Band._get_collection().insert_one({"_id": ObjectId()})
        with connection.start_session() as session, session.start_transaction():
            Band._get_collection().insert_one(band.to_mongo(), session=session)

            with pytest.raises(UnsavedDocumentError):
                band.delay.play()

    def test_is_reported_as_unavailable_where_the_database_is_away(self, app, connection):
        Band._get_collection()
        band = Band(id=ObjectId(), name="Abba")
        with failing(connection, "find", errorCode=13), pytest.raises(StoreUnavailableError):
            band.delay.play()


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
