"""How jobs are named, for people."""

import pytest

import mongojobs
from mongojobs import NotAJobError, enqueue
from tests.support.documents import Group
from tests.support.sample_documents import Band, Tribute
from tests.support.sample_jobs import (
    Namespace,
    Newsletter,
    NewsletterOfName,
    recorder,
    remember_one,
    remember_under_a_name,
)
from tests.support.working import work_off


class TestAName:
    @pytest.mark.behaviour("S39")
    def test_of_a_job_object_is_that_of_its_class(self, app):
        job = enqueue(Newsletter())

        assert app.get(job.id).name == "Newsletter"

    def test_of_a_job_object_is_short_for_a_nested_class(self, app):
        job = enqueue(Namespace.Nested())

        assert job.name == "Nested"

    @pytest.mark.behaviour("S40")
    def test_of_a_job_object_is_the_one_it_gives_itself(self, app):
        job = enqueue(NewsletterOfName("of May"))

        assert app.get(job.id).name == "newsletter of May"

    def test_that_a_job_object_gives_itself_must_be_readable(self, app):
        with pytest.raises(NotAJobError, match="display_name of NewsletterOfName must give a text"):
            enqueue(NewsletterOfName("of\nMay"))

    def test_that_a_job_object_gives_itself_is_cut_at_256_characters(self, app):
        job = enqueue(NewsletterOfName("x" * 300))

        assert len(app.get(job.id).name) == 256

    @pytest.mark.behaviour("S41", "S130")
    def test_of_an_instance_method_is_class_hash_method(self, app):
        job = mongojobs.delay(Group(name="X").save()).greet()

        assert app.get(job.id).name == "Group#greet"

    def test_of_an_instance_method_has_the_class_of_the_instance(self, app):
        job = Tribute(name="X").save().delay.play()

        assert job.name == "Tribute#play"

    @pytest.mark.behaviour("S131")
    def test_of_a_class_level_method_is_class_dot_method(self, app):
        job = Band.delay.count_all()

        assert app.get(job.id).name == "Band.count_all"

    @pytest.mark.behaviour("S42")
    def test_of_a_method_stays_when_the_document_is_gone(self, app):
        band = Band(name="X").save()
        job = band.delay.play()
        band.delete()

        work_off()

        stored = app.get(job.id)
        assert (stored.name, stored.state) == ("Band#play", "failed")

    def test_of_a_function_is_module_and_name(self, app):
        job = remember_one.delay(1)

        assert job.name == "tests.support.sample_jobs.remember_one"

    def test_of_a_function_may_be_declared(self, app):
        job = remember_under_a_name.delay()

        assert app.get(job.id).name == "a name of its own"
        assert work_off() == (1, 0)
        assert recorder.deeds == ["remembered"]

    def test_of_an_asynchronous_method_is_that_of_the_method(self, app):
        job = Band(name="X").save().tour("Rome")

        assert job.name == "Band#tour"
