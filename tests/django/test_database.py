"""Jobs in a database of Django's own, by `django_mongodb_backend`: one client, and its transactions."""

import sys

import pytest

import mongojobs
from mongojobs import ConfigurationError
from tests.django.test_app import configured_with
from tests.support.mongod import with_database
from tests.support.working import work_off


@pytest.fixture
def mongo(site, mongod, administrator):
    """The database `mongo` of the project, which holds its jobs."""
    from django.db import connections

    wrapper = connections["mongo"]
    wrapper.settings_dict.update(HOST=mongod.uri, NAME="of_the_test")
    app = configured_with({"using": "mongo"})
    app.create_indexes()
    yield wrapper
    wrapper.close_pool()
    administrator.drop_database("of_the_test")


@pytest.fixture
def shop(mongo):
    """The modules `jobs` and `tasks` of the installed app."""
    return sys.modules["tests.support.django_site.shop.jobs"], sys.modules["tests.support.django_site.shop.tasks"]


def stored(mongo):
    return mongo.database["delayed_jobs"].count_documents({})


class TestTheDatabase:
    def test_has_the_jobs_by_its_own_client(self, mongo, shop):
        shop[0].query.delay()

        assert (stored(mongo), mongojobs.default_app().link.client is mongo.connection) == (1, True)

    def test_is_worked_off(self, mongo, shop):
        result = shop[1].greet.enqueue("ann")

        work_off()
        result.refresh()

        assert result.return_value == "hello ann"

    def test_is_found_again_under_another_name(self, mongo, shop, administrator):
        shop[0].query.delay()
        mongo.close_pool()
        mongo.settings_dict["NAME"] = "of_the_test_2"

        shop[0].query.delay()

        assert stored(mongo) == 1
        administrator.drop_database("of_the_test_2")

    def test_gives_way_to_a_uri_from_outside(self, mongo, mongod):
        app = mongojobs.default_app()

        app.change(app.settings.changed(uri=with_database(mongod.uri, "elsewhere")))

        assert (app.link.source, app.link.database) == ("uri", "elsewhere")


class TestATransaction:
    @pytest.mark.parametrize(("kind", "name"), [(0, "query"), (1, "greet")], ids=["job", "task"])
    def test_that_is_rolled_back_leaves_nothing(self, mongo, shop, kind, name):
        from django_mongodb_backend.transaction import atomic

        target = getattr(shop[kind], name)
        enqueue = target.enqueue if kind else target.delay

        @atomic("mongo")
        def enqueue_and_fail():
            enqueue(*["ann"] * kind)
            raise KeyError

        with pytest.raises(KeyError):
            enqueue_and_fail()

        assert stored(mongo) == 0

    def test_stores_the_job_when_it_is_committed(self, mongo, shop):
        from django_mongodb_backend.transaction import atomic

        with atomic("mongo"):
            shop[0].query.delay()
            before = stored(mongo)

        assert (before, stored(mongo)) == (0, 1)


class TestTheSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"using": "mango"}, "using names 'mango', and DATABASES has default, archive, mongo"),
            ({"using": "default"}, "whose engine django.db.backends.sqlite3 is not django_mongodb_backend"),
            ({"using": "mongo", "uri": "mongodb://host/shop"}, "using 'mongo' and uri both say"),
        ],
    )
    def test_that_cannot_be_meant_are_refused(self, site, values, message):
        with pytest.raises(ConfigurationError, match=message):
            configured_with(values)

    def test_of_the_tasks_backend_name_the_database_too(self, site):
        assert with_tasks_in("mongo", {}).link_source.args == ("mongo",)

    def test_may_not_name_two(self, site):
        with pytest.raises(ConfigurationError, match="jobs are in one database"):
            with_tasks_in("mongo", {"using": "archive"})


def with_tasks_in(database, values):
    from django.test import override_settings

    backend = {"BACKEND": "mongojobs.django.Backend", "OPTIONS": {"database": database}}
    with override_settings(TASKS={"default": backend}):
        return configured_with(values)
