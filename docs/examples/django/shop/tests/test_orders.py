"""From the form to the receipt."""

from datetime import timedelta

from django.test import TestCase, override_settings
from django.utils import timezone
from mongojobs.testing import assert_enqueued, drain, enqueued_jobs, mode

from shop.jobs import mark_late_orders, pack
from shop.models import Order

FORM = {"customer": "Ann", "tea": "Sencha", "packets": 2}


@override_settings(PACKING_SECONDS=0)
class AnOrder(TestCase):
    def setUp(self):
        self.enterContext(mode("fake"))

    def order(self, **form):
        with self.captureOnCommitCallbacks(execute=True):
            return self.client.post("/", {**FORM, **form})

    def test_waits_for_a_worker(self):
        self.assertContains(self.client.get(self.order().url), "waiting")
        assert_enqueued(pack, args=(Order.objects.get(),))

    def test_is_packed_and_gets_its_receipt(self):
        address = self.order().url

        drain()

        self.assertContains(self.client.get(address), "Thank you, Ann!")

    def test_is_forgotten_if_it_was_deleted_meanwhile(self):
        self.order()
        Order.objects.all().delete()

        self.assertEqual(drain(), (0, 0))

    def test_of_what_there_is_not_is_refused(self):
        self.assertContains(self.order(tea="Coffee"), "Coffee is not one of")
        self.assertEqual(enqueued_jobs(), [])

    def test_that_waits_too_long_is_late(self):
        order = Order.objects.create(**FORM)
        order.change(placed_at=timezone.now() - timedelta(hours=2))

        mark_late_orders()

        self.assertEqual(Order.objects.get().state, "late")
