"""The dashboard in a project: who may see and change what, and the way there from the admin."""

import sys
from contextlib import suppress

import pytest


@pytest.fixture(scope="module")
def tables(django_started):
    """The tables of users, sessions and permissions."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0, skip_checks=True)
    yield
    connection.close()
    with suppress(FileNotFoundError):
        connection.settings_dict["NAME"].unlink()


@pytest.fixture
def browse(tables, site):
    """Makes a client that is logged in as a new user with these permissions."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    def browse(*permissions, **fields):
        user = User.objects.create_user("ann", **fields)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    yield browse
    User.objects.all().delete()


@pytest.fixture
def failed(site):
    """A job that can be retried."""
    job = sys.modules["tests.support.django_site.shop.jobs"].query.delay()
    site.store.collection.update_one({"_id": job.id}, {"$set": {"state": "failed"}})
    return job


def retry(client, job):
    form = {"id": str(job.id), "action": "retry"}
    return client.post("/jobs/job/change", form, headers={"Sec-Fetch-Site": "same-origin"})


class TestAccess:
    def test_of_nobody_leads_to_the_login_and_back(self, tables, site):
        from django.test import Client

        answer = Client().get("/jobs/")

        assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=%2Fjobs%2F")

    def test_of_nobody_is_followed_by_the_client_of_djangos_tests(self, tables, site):
        from django.test import Client

        answer = Client().get("/jobs/", follow=True)

        assert answer.redirect_chain == [("/admin/login/?next=%2Fjobs%2F", 302)]

    def test_of_who_is_not_staff_is_refused(self, browse):
        assert browse("operate").get("/jobs/").status_code == 403

    def test_of_staff_is_for_looking(self, browse, failed, site):
        client = browse(is_staff=True)

        assert client.get("/jobs/").status_code == 200
        assert retry(client, failed).status_code == 403

    @pytest.mark.parametrize("permissions", [["operate"], []], ids=["with the permission", "superuser"])
    def test_of_operators_is_for_changes(self, browse, failed, site, permissions):
        client = browse(*permissions, is_staff=True, is_superuser=not permissions)

        assert retry(client, failed).status_code == 303
        assert site.get(failed.id).state == "ready"


class TestTheAdmin:
    def test_leads_staff_to_the_dashboard(self, browse):
        client = browse(is_staff=True)

        index = client.get("/admin/").content.decode()
        answer = client.get("/admin/mongojobs/dashboard/")

        assert "Background jobs" in index
        assert "/admin/mongojobs/dashboard/" in index
        assert (answer.status_code, answer["Location"]) == (302, "/jobs/")

    def test_does_not_where_there_is_no_dashboard(self, browse, monkeypatch):
        client = browse(is_staff=True)
        client.get("/admin/")  # after which the site's addresses are known
        monkeypatch.setattr("mongojobs.web.django._views", [])

        assert "Background jobs" not in client.get("/admin/").content.decode()

    def test_changes_nothing_itself(self, browse):
        client = browse("operate", is_staff=True)

        assert client.get("/admin/mongojobs/dashboard/add/").status_code == 403
