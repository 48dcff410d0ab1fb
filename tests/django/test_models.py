"""Models as arguments of jobs: by reference, loaded fresh."""

import sys
from contextlib import suppress

import pytest

import mongojobs
from mongojobs import NotAJobError, UnsavedDocumentError, delay
from tests.support.working import work_off

ALIASES = ("default", "archive")


@pytest.fixture(scope="module")
def tables(django_started):
    """The tables of the app, in both databases of the project, for as long as the tests of this module run."""
    from django.db import connections

    from tests.support.django_site.shop.models import Order

    for alias in ALIASES:
        with connections[alias].schema_editor() as editor:
            editor.create_model(Order)
    yield
    for alias in ALIASES:
        connections[alias].close()
        with suppress(FileNotFoundError):
            connections[alias].settings_dict["NAME"].unlink()


@pytest.fixture
def Order(tables, site):  # noqa: N802 - a class
    from tests.support.django_site.shop.models import Order

    yield Order
    for alias in ALIASES:
        Order._base_manager.using(alias).all().delete()


@pytest.fixture
def jobs(Order):  # noqa: N803
    module = sys.modules["tests.support.django_site.shop.jobs"]
    module.seen.clear()
    return module


class TestAModel:
    def test_is_loaded_as_it_is_when_the_job_runs(self, jobs, Order):  # noqa: N803
        order = Order.objects.create(customer="ann")
        jobs.see.delay(order, second=order)
        Order.objects.update(customer="bob")

        work_off()

        [(first, second)] = jobs.seen
        assert (first, first.customer) == (order, "bob")
        assert first is second

    def test_comes_from_its_own_database(self, jobs, Order):  # noqa: N803
        order = Order.objects.using("archive").create(customer="old")
        jobs.see_if_there.delay(order)

        work_off()

        assert [(one.customer, one._state.db) for one in jobs.seen] == [("old", "archive")]

    def test_is_found_though_a_manager_hides_it(self, jobs, Order):  # noqa: N803
        jobs.see_if_there.delay(Order.objects.create(customer="ann", is_paid=True))

        work_off()

        assert [one.customer for one in jobs.seen] == ["ann"]

    def test_is_an_argument_of_async_jobs(self, jobs, Order):  # noqa: N803
        jobs.see_async.delay(Order.objects.create(customer="ann"))

        work_off()

        assert [one.customer for one in jobs.seen] == ["ann"]

    def test_has_methods_that_are_jobs(self, Order):  # noqa: N803
        order = Order.objects.create(customer="ann")
        delay(order).pay()

        work_off()

        assert Order._base_manager.get(pk=order.pk).is_paid

    def test_has_no_methods_of_django_that_are_jobs(self, Order):  # noqa: N803
        order = Order.objects.create(customer="ann")

        with pytest.raises(NotAJobError, match=r"Order\.delete is Django's own: define a method that calls it"):
            delay(order).delete()

    def test_that_is_gone_lets_the_job_decide(self, site, jobs, Order):  # noqa: N803
        order = Order.objects.create(customer="ann")
        discarded, failed = jobs.see_if_there.delay(order), jobs.see.delay(order, order)
        order.delete()

        work_off()

        assert (site.get(discarded.id).state, site.get(failed.id).state) == ("cancelled", "failed")
        assert "no longer exists" in site.get(failed.id).last_error

    def test_that_is_not_saved_is_refused(self, jobs, Order):  # noqa: N803
        with pytest.raises(UnsavedDocumentError, match=r"argument 'order' is a Order that is not saved.*save it first"):
            jobs.see_if_there.delay(Order(customer="ann"))

    def test_finds_its_jobs(self, site, jobs, Order):  # noqa: N803
        ann, bob = (Order.objects.create(customer=name) for name in ("ann", "bob"))
        jobs.see_if_there.delay(ann)
        of_bob = jobs.see_if_there.delay(bob)

        assert [job.id for job in site.find(mongojobs.JobFilter(arguments={"order": bob})).jobs] == [of_bob.id]
        assert [job.id for job in site.find(mongojobs.JobFilter(arguments={"order": bob.pk})).jobs] == [of_bob.id]
