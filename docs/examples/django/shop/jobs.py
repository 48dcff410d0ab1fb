"""The jobs, which workers find by the name of this module."""

import csv
import time
from datetime import timedelta
from io import StringIO

from django.conf import settings
from django.utils import timezone
from mongojobs import current_job, every, job

from shop.models import Order
from shop.tasks import send_receipt


@job(on_missing="discard")
def pack(order: Order) -> None:
    """Pack an order, which takes a while. One that was deleted meanwhile is left alone."""
    order.change(state="being packed")
    time.sleep(settings.PACKING_SECONDS)
    order.change(state="packed")
    send_receipt.enqueue(order.pk)


@job(unique=True, keep_result="1h", keep_log="64k")
def make_report() -> str:
    """Return all orders as a table. It takes long, so whoever asks meanwhile gets the same."""
    running, orders = current_job(), Order.objects.all()
    table = StringIO()
    rows = csv.writer(table)
    for number, order in enumerate(orders, 1):
        rows.writerow([order.customer, order.tea, order.packets])
        time.sleep(settings.PACKING_SECONDS / 2)
        running.set_progress(number, of=len(orders), note=order.customer)
    running.log.info("%d orders are in the report", len(orders))
    return table.getvalue()


@every("1m")
@job
def mark_late_orders() -> None:
    """Mark, each minute, what has waited for an hour: somebody should look."""
    long_ago = timezone.now() - timedelta(hours=1)
    Order.objects.filter(state="waiting", placed_at__lt=long_ago).update(state="late")
