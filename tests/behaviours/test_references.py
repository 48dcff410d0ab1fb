"""`register_reference`: objects of any class as arguments, by a key, loaded fresh."""

import pytest

from mongojobs import RegistrationError, UnsavedDocumentError, register_reference
from mongojobs.testing import drain, mode
from tests.support import referred
from tests.support.referred import Letter, Odd, Parcel, Remote
from tests.support.working import work_off


@pytest.fixture(autouse=True)
def _empty(indexes):
    referred.shelf.clear()
    referred.given.clear()


class TestAnObject:
    def test_is_loaded_as_it_is_when_the_job_runs(self, app):
        parcel = Parcel("a", 1).keep()
        referred.weigh.delay(parcel)
        parcel.weight = 2

        work_off()

        [loaded] = referred.given
        assert (type(loaded), loaded.weight, loaded is parcel) == (Parcel, 2, False)

    def test_is_one_object_however_often_it_is_given(self, app):
        parcel = Parcel("a", 1).keep()
        referred.weigh.delay(parcel, parcel, Parcel("b", 1).keep())

        work_off()

        first, second, third = referred.given
        assert first is second
        assert third is not second

    def test_of_a_subclass_comes_back_as_one(self, app):
        referred.weigh.delay(Letter("a", 1).keep())

        work_off()

        assert [type(one) for one in referred.given] == [Letter]

    def test_may_be_a_result(self, app):
        job = referred.weigh.delay(Parcel("a", 7).keep())

        work_off()

        assert job.result(0).weight == 7

    def test_is_awaited_if_load_is_async(self, app):
        referred.weigh.delay(Remote("a", 1).keep())

        work_off()

        assert [type(one) for one in referred.given] == [Remote]

    @pytest.mark.parametrize("how", ["inline", "fake"])
    def test_is_awaited_without_a_worker_too(self, app, how):
        with mode(how):
            referred.weigh.delay(Remote("a", 1).keep())
            drain()

        assert [type(one) for one in referred.given] == [Remote]

    def test_that_is_gone_lets_the_job_decide(self, app):
        discarded, failed = (job.delay(Parcel("a", 1).keep()) for job in (referred.send, referred.weigh))
        referred.shelf.clear()

        work_off()

        assert (app.get(discarded.id).state, app.get(failed.id).state) == ("cancelled", "failed")
        assert "Parcel a no longer exists" in app.get(failed.id).last_error

    def test_that_is_not_saved_is_refused(self, app):
        with pytest.raises(UnsavedDocumentError, match="argument 'parcel' is a Parcel that is not saved"):
            referred.send.delay(Parcel("a", 1))

    def test_is_shown_by_class_and_key(self, app):
        job = referred.stamp.delay(Parcel("a", 1).keep())

        assert job.unique_text == "parcel=Parcel a"

    def test_that_load_makes_of_another_class_is_none(self, app):
        job = referred.send.delay(Odd("a", 1))

        work_off()

        assert "load of a Odd returned 'a', which is none" in app.get(job.id).last_error

    def test_of_a_class_that_this_worker_does_not_know_waits(self, app, spoil):
        job = referred.send.delay(Parcel("a", 1).keep())
        spoil(job, args=[{"__mj": "reference", "v": {"class": "tests.Unknown", "key": "a"}}])

        work_off()

        assert "import its module in the worker" in app.get(job.id).deferred_reason

    def test_that_was_tampered_with_is_refused(self, app, spoil):
        job = referred.send.delay(Parcel("a", 1).keep())
        spoil(job, args=[{"__mj": "reference", "v": {"class": "tests.support.referred.Parcel"}}])

        work_off()

        assert "a stored reference has other fields" in app.get(job.id).last_error


class TestRegistering:
    @pytest.mark.parametrize("cls", [object, "Parcel"])
    def test_is_for_classes(self, cls):
        with pytest.raises(RegistrationError, match="register_reference is for classes"):
            register_reference(cls, str, lambda cls, key: key)

    def test_takes_a_plain_function_for_the_key(self):
        async def key(parcel):
            pass

        with pytest.raises(RegistrationError, match=r"to_key must be a plain function.*write `def` for it"):
            register_reference(Parcel, key, lambda cls, key: key)
