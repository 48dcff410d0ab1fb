"""Jobs that know a class by a name that it had before: `register(aliases=...)`; every kind of class: `tests/stored`."""

import pytest

import mongojobs
from mongojobs import JobFilter, OptionError, RegistrationError, register
from mongojobs.payload.registry import registry
from tests.support import renamed
from tests.support.renamed import Benefactor, Lodging, Patron
from tests.support.working import work_off


@pytest.fixture(autouse=True)
def _empty(app):
    app.create_indexes()
    renamed.given.clear()


class TestADocumentOfARenamedClass:
    def test_is_found_where_it_was_stored_if_the_collection_kept_its_name(self, app, spoil):
        ann = Patron(name="Ann").save()
        job = renamed.visit.delay(ann)
        spoil(job, **{"args.0.v.class": "cellar.Customer"})

        work_off()

        assert renamed.given == [(ann, None)]

    def test_is_found_in_the_collection_of_the_class_if_its_documents_moved_there(self, app, spoil):
        ann = Patron(name="Ann").save()
        job = renamed.visit.delay(ann)
        spoil(job, **{"args.0.v.class": "cellar.old.Customer", "args.0.v.collection": "customer"})

        work_off()

        assert renamed.given == [(ann, None)]

    def test_is_followed_nowhere_else_by_its_present_name(self, app, spoil):
        job = renamed.visit.delay(Patron(name="Ann").save())
        spoil(job, **{"args.0.v.collection": "customer"})

        work_off()

        assert "is in the collection 'customer', and its class lives in 'patron'" in app.get(job.id).last_error

    def test_is_the_receiver_of_its_methods(self, spoil):
        job = Patron(name="Ann").save().delay.greet("hello")
        spoil(job, **{"target.v.class": "cellar.Customer"})

        work_off()

        assert renamed.given == [("Ann", "hello")]

    def test_has_the_method_that_a_subclass_hides(self, spoil):
        job = super(Benefactor, Benefactor(name="Ann").save()).bill()
        spoil(job, owner="cellar.Customer")

        work_off()

        assert renamed.given == [("billed", "Ann")]

    def test_finds_its_jobs_by_both_names(self, app, spoil):
        ann = Patron(name="Ann").save()
        jobs = [renamed.visit.delay(ann), renamed.visit.delay(ann), ann.delay.greet("hello"), ann.delay.greet("hello")]
        spoil(jobs[0], **{"args.0.v.class": "cellar.Customer"})
        spoil(jobs[2], **{"target.v.class": "cellar.Customer"})
        app.store.collection.update_one({"_id": jobs[2].id}, {"$set": {"name": "Customer#greet"}})

        of_ann = {job.id for job in app.find(JobFilter(arguments={"client": ann})).jobs}
        that_greet = {job.id for job in app.find(JobFilter(arguments={"word": "hello"})).jobs}

        assert of_ann == {jobs[0].id, jobs[1].id}
        assert that_greet == {jobs[2].id, jobs[3].id}

    def test_brings_its_embedded_documents_along(self, spoil):
        address = Lodging(city="Athens")
        job = renamed.visit.delay(Patron(name="Ann").save(), at=address)
        spoil(job, **{"kwargs.at.v.class": "cellar.Place", "kwargs.at.v.fields._cls": "Place"})

        work_off()

        assert [at for _, at in renamed.given] == [address]

    @pytest.mark.parametrize("name", ["cellar.Customer", "tests.support.renamed.Patron"])
    def test_is_never_made_of_what_a_job_holds(self, app, spoil, name):
        job = renamed.visit.delay(Patron(name="Ann").save())
        spoil(job, args=[{"__mj": "object", "v": {"class": name, "fields": {"name": "Eve"}}}])

        work_off()

        assert "Patron is stored as a reference" in app.get(job.id).last_error


class TestAnUnknownName:
    def test_is_told_with_a_remedy_that_works(self, app, spoil, monkeypatch):
        monkeypatch.setattr(registry, "_renamed", {})
        job = renamed.visit.delay(Patron(name="Ann").save())
        spoil(job, **{"args.0.v.class": "cellar.Buyer"})
        work_off()
        reason = app.get(job.id).deferred_reason

        assert "no Document class is called 'cellar.Buyer'" in reason
        assert "put @mongojobs.register(aliases='cellar.Buyer') above the class" in reason

        mongojobs.register(aliases="cellar.Buyer")(Patron)
        app.run_now(job.id)

        assert work_off() == (1, 0)


class TestRegister:
    def test_refuses_a_name_that_leads_to_another_class(self):
        with pytest.raises(
            RegistrationError, match=r"'cellar\.Customer' is taken by tests\.support\.renamed\.Patron: take it out"
        ):
            register(Lodging, aliases=("cellar.Customer",))

    @pytest.mark.parametrize("aliases", [5, (5,), ("",)])
    def test_refuses_what_is_no_name(self, aliases):
        with pytest.raises(OptionError, match="aliases must be a tuple of names of classes"):
            register(Lodging, aliases=aliases)
