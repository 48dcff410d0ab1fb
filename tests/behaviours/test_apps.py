"""The default app, and others with their own collections."""

import asyncio
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

import pytest

import mongojobs
from mongojobs import ConfigurationError, ConnectionMissingError, MongoJobs, Plugin, Settings, job
from mongojobs.core.errors import SettingsError
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Newsletter, enqueues_another, remember_one, remember_where
from tests.support.stores import reader
from tests.support.working import work_off


class Listening(Plugin):
    """Is notified of each enqueue."""

    heard: ClassVar[list[str]] = []

    def register(self, lifecycle):
        lifecycle.before("enqueue", lambda _job: self.heard.append("enqueue"))


@job
async def enqueues_another_soon(value):
    await asyncio.sleep(0)
    remember_one.delay(value)


@job
@dataclass
class Chain:
    """Enqueues another job in each of its methods, and fails if told so."""

    fails: bool

    def perform(self):
        enqueues_another.delay("performed")
        if self.fails:
            raise ValueError("told so")

    def failure(self):
        remember_one.delay("failed")


@pytest.fixture(autouse=True)
def _nothing_heard():
    Listening.heard.clear()


@pytest.fixture
def other(app, connection, mongo_uri, clock):
    """Another app, with its own collection in the same database."""
    other = MongoJobs(Settings(uri=mongo_uri, collection="other_jobs"), clock=clock)
    yield other
    other.close()


@pytest.mark.behaviour("S89")
class TestACollectionOfItsOwn:
    def test_gets_the_jobs_of_its_app(self, app, other):
        with other.active():
            job = remember_one.delay(1)

        assert other.get(job.id) is not None
        assert app.reader.find() == []

    def test_gets_none_of_the_jobs_of_the_default_app(self, app, other):
        job = remember_one.delay(1)

        assert app.get(job.id) is not None
        assert reader(other.store).find() == []

    def test_is_the_only_one_that_its_worker_looks_into(self, app, other, recorder):
        remember_one.delay("default")
        with other.active():
            remember_one.delay("other")

        assert work_off(app=other) == (1, 0)
        assert recorder.facts("remembered") == ["other"]

    def test_gets_job_objects_and_methods_too(self, app, other, recorder):
        band = Band(name="X").save()

        other.enqueue(Newsletter("news"))
        with other.active():
            band.delay.play("song")
            band.record()

        assert work_off(app=other) == (3, 0)
        assert app.reader.find() == []

    @pytest.mark.parametrize("job", [enqueues_another, enqueues_another_soon])
    def test_gets_what_its_jobs_enqueue(self, app, other, recorder, job):
        with other.active():
            job.delay("further")

        assert work_off(app=other) == (2, 0)
        assert recorder.facts("remembered") == ["further"]
        assert app.reader.find() == []

    def test_gets_what_the_last_hook_of_its_jobs_enqueues(self, app, other, recorder):
        other.enqueue(Chain(fails=True), max_attempts=1)

        assert work_off(app=other) == (3, 1)
        assert sorted(recorder.facts("remembered")) == ["failed", "performed"]
        assert app.reader.find() == []

    def test_gets_what_a_job_that_runs_at_once_enqueues(self, app, mongo_uri, clock):
        settings = Settings(uri=mongo_uri, collection="other_jobs", delay_jobs=lambda job: "Chain" not in job.name)
        with closing(MongoJobs(settings, clock=clock)) as other:
            other.enqueue(Chain(fails=False))

            assert len(reader(other.store).find()) == 1
            assert app.reader.find() == []

    def test_surrounds_its_jobs_once_however_many_workers_it_has(self, other):
        for _ in range(3):
            work_off(app=other)

        assert len(other.plugins) == 1

    def test_is_named_by_a_setting_of_the_default_app_too(self, configure, connection):
        configure(collection="jobs_of_ours")

        remember_one.delay(1)

        assert connection.get_default_database().jobs_of_ours.count_documents({}) == 1

    def test_has_its_list_of_workers_and_its_figures_beside_it(self, other, connection):
        other.create_indexes()

        names = set(connection.get_default_database().list_collection_names())
        assert names == {
            "other_jobs",
            "other_jobs_workers",
            "other_jobs_stats",
            "other_jobs_schedules",
            "other_jobs_logs",
        }


class TestTheActiveApp:
    def test_is_the_default_one_again_afterwards(self, app, other):
        with other.active():
            pass

        job = remember_one.delay(1)

        assert app.get(job.id) is not None

    def test_is_the_default_one_in_other_threads(self, app, other):
        stored = []
        thread = threading.Thread(target=lambda: stored.append(remember_one.delay(1)))

        with other.active():
            thread.start()
            thread.join()

        assert app.get(stored[0].id) is not None

    def test_is_the_same_in_a_coroutine(self, app, other):
        with other.active():
            job = asyncio.run(remember_one.adelay(1))

        assert other.get(job.id) is not None


class TestTheDefaultApp:
    def test_takes_the_connection_of_mongoengine(self, app, connection):
        assert app.link.client is connection
        assert app.link.source == "MongoEngine alias default"

    def test_takes_a_client_that_is_given(self, configure, client):
        app = configure(client=client)

        assert app.link.client is client

    def test_is_the_one_that_was_configured_last(self, configure):
        app = configure(max_attempts=3)

        assert mongojobs.default_app() is app
        assert app.settings.max_attempts == 3

    def test_lets_the_environment_win_over_the_code(self, configure, monkeypatch):
        monkeypatch.setenv("MONGOJOBS_MAX_ATTEMPTS", "7")

        app = configure(max_attempts=3)

        assert app.settings.max_attempts == 7

    @pytest.mark.parametrize("plugins", [None, Listening, [None], ["mongojobs"], [Listening, dict], "off"])
    def test_refuses_plugins_that_are_none(self, configure, plugins):
        with pytest.raises(SettingsError, match="plugins must be a list of plugins or of their classes, got "):
            configure(plugins=plugins)

    def test_keeps_callbacks_and_plugins_when_it_is_configured_after_its_use(self, configure):
        configure(plugins=[Listening])
        told = []
        used = mongojobs.default_app()
        used.lifecycle.before("enqueue", lambda job: told.append("before"))
        used.lifecycle.after("enqueue", lambda job: told.append("after"))
        used.lifecycle.around("enqueue", lambda proceed, job: told.append("around") or proceed())
        used.lifecycle.on_notice(lambda notice: told.append(type(notice).__name__))

        app = configure(max_attempts=3)
        remember_one.delay(1)

        assert told == ["before", "around", "JobEnqueued", "after"]
        assert [type(plugin) for plugin in app.plugins] == [Listening]
        assert Listening.heard == ["enqueue"]

    def test_keeps_the_callbacks_of_an_app_that_nobody_configured(self, configure, connection):
        mongojobs.configure()
        told = []
        mongojobs.default_app().lifecycle.before("enqueue", lambda job: told.append(job.name))

        configure(max_attempts=3)
        remember_one.delay(1)

        assert len(told) == 1

    def test_takes_other_plugins_in_place_of_the_former_ones(self, configure):
        configure(plugins=[Listening])

        configure(plugins=[])
        remember_one.delay(1)

        assert Listening.heard == []

    def test_starts_from_nothing_without_any_arguments(self, configure):
        told = []
        configure(plugins=[Listening]).lifecycle.before("enqueue", told.append)

        mongojobs.configure()
        remember_one.delay(1)

        assert (told, Listening.heard) == ([], [])

    def test_refuses_a_setting_that_is_none(self, configure):
        with pytest.raises(mongojobs.SettingsError, match="unknown setting 'max_atempts'"):
            configure(max_atempts=3)

    def test_says_what_to_do_without_a_connection(self, monkeypatch):
        monkeypatch.delenv("MONGODB_URI", raising=False)
        app = MongoJobs(Settings(db_alias="nowhere"))

        with pytest.raises(ConnectionMissingError, match=r"set MONGODB_URI(.|\n)*mongoengine.connect"):
            app.store  # noqa: B018 - opens it

    def test_says_when_the_uri_names_no_database(self):
        app = MongoJobs(Settings(uri="mongodb://127.0.0.1:1"))

        with pytest.raises(ConfigurationError, match="names no database: append it"):
            app.store  # noqa: B018 - opens it

    @pytest.mark.parametrize("uri", ["localhost/shop", "mongodb:/localhost/shop", "mongodb://localhost:port/shop"])
    def test_says_that_a_uri_is_malformed_and_where_it_stands(self, uri):
        app = MongoJobs(Settings(uri=uri))

        with pytest.raises(ConfigurationError, match=r"^uri: the MongoDB URI \(malformed\) cannot be used"):
            app.store  # noqa: B018 - opens it


class TestEnqueueing:
    def test_works_in_many_threads_at_once(self, app):
        threads = [threading.Thread(target=remember_one.delay, args=(number,)) for number in range(16)]

        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        assert sorted(job.handler["args"][0] for job in app.reader.find()) == list(range(16))

    def test_works_in_an_event_loop(self, app, recorder):
        async def enqueue_two():
            return await asyncio.gather(remember_one.adelay(1), remember_one.options(queue="mail").adelay(2))

        jobs = asyncio.run(enqueue_two())

        assert [job.queue for job in jobs] == ["default", "mail"]
        assert work_off() == (2, 0)
        assert sorted(recorder.facts("remembered")) == [1, 2]

    def test_in_an_event_loop_lets_the_loop_run(self, configure, recorder):
        configure(delay_jobs=False)

        asyncio.run(remember_where.adelay())

        assert recorder.facts("thread") != [threading.current_thread().name]

    def test_refuses_bad_arguments_in_an_event_loop_too(self, app):
        with pytest.raises(mongojobs.ArgumentsError, match="remember_one"):
            asyncio.run(remember_one.adelay(1, 2))
