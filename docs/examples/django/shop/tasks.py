"""A task of Django's: with ``mongojobs.django.Backend`` it is a job like any other."""

from django.template.loader import render_to_string

from shop.models import Order

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    from django_tasks import task


@task(queue_name="mail")
def send_receipt(order_id: int) -> None:
    """Write the receipt; a shop with a mail server would send it too."""
    order = Order.objects.get(pk=order_id)
    order.change(state="sent", receipt=render_to_string("receipt.txt", {"order": order}))
