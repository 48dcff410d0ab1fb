"""The report, and who may see it and the dashboard."""

from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from mongojobs.testing import drain, enqueued_jobs, logged, mode

from shop.models import Order


@override_settings(PACKING_SECONDS=0)
class AReport(TestCase):
    def setUp(self):
        self.enterContext(mode("fake"))
        Order.objects.create(customer="Ann", tea="Sencha", packets=2)
        self.client.force_login(User.objects.create_superuser("admin"))

    def test_is_made_by_a_worker(self):
        before = self.client.post("/report", follow=True)
        [job] = enqueued_jobs()

        drain()

        self.assertContains(before, "ready")
        self.assertContains(self.client.get("/report"), "Ann,Sencha,2")
        self.assertEqual(logged(job), ["1 orders are in the report"])

    def test_is_made_once_for_all_who_ask(self):
        self.client.post("/report")
        self.client.post("/report")

        self.assertEqual(len(enqueued_jobs()), 1)


class Strangers(TestCase):
    def test_are_led_to_the_login(self):
        self.assertRedirects(self.client.get("/report"), "/accounts/login/?next=/report")
        self.assertRedirects(self.client.get("/jobs/"), "/accounts/login/?next=%2Fjobs%2F")
