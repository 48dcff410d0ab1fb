"""Beanie's documents as arguments of jobs: by reference, loaded fresh where async jobs run."""

import asyncio
from uuid import UUID

import pymongo
import pytest

import mongojobs
import mongojobs.beanie
from mongojobs import (
    NotAJobError,
    RegistrationError,
    UndeclaredError,
    UnsavedDocumentError,
    UnstorableValueError,
    adelay,
    delay,
)
from mongojobs.payload.documents import registered
from tests.support import beanie_jobs
from tests.support.beanie_jobs import Badge, Guest, Member, Stranger, Table
from tests.support.working import work_off

if pymongo.version_tuple < (4, 18):
    pytest.skip("the extra asks for PyMongo 4.18: older ones leave sockets to the garbage", allow_module_level=True)


@pytest.fixture(autouse=True)
def _empty(app, mongo_uri):
    app.create_indexes()
    beanie_jobs.target.update(uri=mongo_uri, database=app.store.collection.database.name)
    inserted()  # a document can be made as soon as its class has been connected once in this process
    beanie_jobs.given.clear()
    beanie_jobs.connected.clear()


def on_site(coroutine_function):
    """Do something as a site does, with the documents connected on its event loop, which then ends."""

    async def do():
        await beanie_jobs.connect()
        return await coroutine_function()

    return asyncio.run(do())


def inserted(*documents):
    async def insert():
        return [await one.insert() for one in documents]

    return on_site(insert)


class TestADocument:
    def test_is_loaded_as_it_is_when_an_async_job_runs_and_can_be_changed_there(self, app):
        async def site():
            ann = await Member(name="Ann").insert()
            await beanie_jobs.visit.adelay(ann)
            await ann.set({Member.name: "Anna"})

        on_site(site)

        assert work_off() == (1, 0)

        [loaded] = beanie_jobs.given
        assert (type(loaded), loaded.name) == (Member, "Anna")
        assert app.store.collection.database["Member"].find_one()["visits"] == 1

    def test_is_given_to_a_plain_job_too(self):
        [ann] = inserted(Member(name="Ann"))
        beanie_jobs.count.delay(ann)

        work_off()

        assert beanie_jobs.given == [ann]

    def test_is_one_object_however_often_it_is_given(self):
        ann, bob = inserted(Member(name="Ann"), Member(name="Bob"))
        beanie_jobs.visit.delay(ann, ann, bob)

        work_off()

        first, second, third = beanie_jobs.given
        assert first is second
        assert third == bob

    def test_is_loaded_past_the_cache_of_its_class(self):
        [ann] = inserted(Member(name="Ann"))
        beanie_jobs.visit.delay(ann)
        beanie_jobs.count.delay(ann)

        work_off()

        assert [one.visits for one in beanie_jobs.given] == [1, 1]

    def test_of_a_subclass_comes_back_as_one(self):
        beanie_jobs.visit.delay(*inserted(Guest(name="Ann", host="Bob")))

        work_off()

        assert [(type(one), one.host) for one in beanie_jobs.given] == [(Guest, "Bob")]

    def test_is_found_by_an_id_of_another_kind(self):
        badge = Badge(id=UUID(int=7), text="a")
        beanie_jobs.keep.delay([badge])
        inserted(badge)

        work_off()

        assert beanie_jobs.given == [[badge]]

    def test_is_loaded_fresh_inside_of_a_model(self, app):
        beanie_jobs.seat.delay(Table(members=inserted(Member(name="Ann"))))
        app.store.collection.database["Member"].update_one({}, {"$set": {"name": "Anna"}})

        work_off()

        assert [one.name for one in beanie_jobs.given[0].members] == ["Anna"]

    def test_has_methods_that_are_jobs(self):
        async def site():
            await adelay(await Member(name="Ann").insert()).greet("hello")

        on_site(site)

        assert work_off() == (1, 0)
        assert beanie_jobs.given == ["hello Ann"]

    def test_has_no_methods_of_beanie_that_are_jobs(self):
        [ann] = inserted(Member(name="Ann"))

        with pytest.raises(NotAJobError, match=r"Member\.delete is Beanie's own"):
            delay(ann).delete()

    def test_that_is_gone_lets_the_job_decide(self, app):
        [ann] = inserted(Member(name="Ann"))
        discarded, failed = beanie_jobs.see_if_there.delay(ann), beanie_jobs.visit.delay(ann)
        app.store.collection.database["Member"].drop()

        work_off()

        assert (app.get(discarded.id).state, app.get(failed.id).state) == ("cancelled", "failed")
        assert f"Member {ann.id} no longer exists" in app.get(failed.id).last_error

    def test_that_is_not_saved_is_refused(self):
        on_site(self.refused)

    async def refused(self):
        with pytest.raises(
            UnsavedDocumentError, match=r"argument 'member' is a Member that is not saved.*save it first"
        ):
            await beanie_jobs.visit.adelay(Member(name="Ann"))

    def test_of_a_renamed_class_is_found(self, spoil):
        job = beanie_jobs.visit.delay(*inserted(Guest(name="Ann")))
        spoil(job, **{"args.0.v.class": "club.Visitor"})

        work_off()

        assert [type(one) for one in beanie_jobs.given] == [Guest]

    def test_finds_its_jobs(self, app):
        ann, bob = inserted(Member(name="Ann"), Member(name="Bob"))
        beanie_jobs.visit.delay(ann)
        of_bob = beanie_jobs.visit.delay(bob)

        assert [job.id for job in app.find(mongojobs.JobFilter(arguments={"member": bob.id})).jobs] == [of_bob.id]

    def test_as_a_result_is_loaded_by_its_id(self, app):
        job = beanie_jobs.give_back.delay(*inserted(Member(name="Ann")))
        work_off()

        with pytest.raises(UndeclaredError, match="let the job return its key, and load it by that"):
            job.result(0)

    def test_as_a_result_holds_up_no_event_loop_that_should_load_it(self, app):
        given_back = beanie_jobs.give_back.delay(*inserted(Member(name="Ann")))
        asking = beanie_jobs.ask_for_a_result.delay(given_back.id)

        work_off()

        assert "cannot be waited for on the event loop: pass its id on" in app.get(asking.id).last_error


class TestAnId:
    def test_comes_back_as_it_was(self):
        [ann] = inserted(Member(name="Ann"))
        beanie_jobs.keep.delay(ann.id)

        work_off()

        assert [(type(one), one) for one in beanie_jobs.given] == [(type(ann.id), ann.id)]


class TestTheConnection:
    def test_is_made_once_on_the_event_loop_of_the_worker(self):
        ann, bob = inserted(Member(name="Ann"), Member(name="Bob"))
        beanie_jobs.connected.clear()
        beanie_jobs.visit.delay(ann, bob)
        beanie_jobs.ask.delay()
        beanie_jobs.count.delay(ann)

        assert work_off() == (3, 0)
        assert len(beanie_jobs.connected) == 1

    def test_that_is_made_elsewhere_in_the_process_is_left_alone(self, app):
        async def site():
            job = await beanie_jobs.visit.adelay(await Member(name="Ann").insert())
            await asyncio.to_thread(work_off)
            await Member.count()
            return job

        job = on_site(site)

        assert "connected on another event loop of this process: run their jobs" in app.get(job.id).deferred_reason
        assert work_off() == (0, 0)

        app.run_now(job.id)

        assert work_off() == (1, 0)

    def test_that_lacks_a_class_says_which(self, app, spoil):
        job = beanie_jobs.keep.delay(*inserted(Member(name="Ann")))
        spoil(job, **{"args.0.v.class": f"{Stranger.__module__}.Stranger"})

        work_off()

        assert "Stranger is not connected: add it to the document_models" in app.get(job.id).deferred_reason

    def test_that_is_not_declared_is_asked_for(self, app, monkeypatch):
        job = beanie_jobs.visit.delay(*inserted(Member(name="Ann")))
        monkeypatch.setattr(mongojobs.beanie, "_declared", [])
        monkeypatch.setattr(Member, "_document_settings", None)

        work_off()

        assert "put @mongojobs.beanie.connection above the async function" in app.get(job.id).deferred_reason

    def test_is_a_function_that_yields(self):
        async def connect():
            pass

        with pytest.raises(RegistrationError, match="calls init_beanie and then has a yield"):
            mongojobs.beanie.connection(connect)

    def test_is_one_for_all_documents(self):
        async def connect():
            yield

        with pytest.raises(RegistrationError, match=r"beanie_jobs\.connect connects Beanie's documents already"):
            mongojobs.beanie.connection(connect)


class TestWithoutTheModule:
    @pytest.mark.parametrize("value", ["document", "id"])
    def test_what_is_of_beanie_is_refused_with_advice(self, app, monkeypatch, value):
        [ann] = inserted(Member(name="Ann"))
        monkeypatch.setattr(registered, "_ways", {})

        with pytest.raises(UnstorableValueError, match=r"import mongojobs\.beanie beside it"):
            app.payloads.codec.encode({"document": ann, "id": ann.id}[value], "argument 1")
