"""Orders and stock, as MongoEngine keeps them, and the jobs: all that a visitor should not wait for."""

import time
from datetime import UTC, datetime, timedelta

from mongoengine import DateTimeField, Document, IntField, StringField
from mongojobs import Delayable, every, job

from flask import current_app, render_template

TEAS = ("Darjeeling", "Assam", "Sencha", "Oolong")
SHELF = 20
LOW = 5


class Tea(Document):
    """How many packets of a tea have left the shelf since it was full."""

    name = StringField(primary_key=True)
    sold = IntField(default=0)


class Order(Delayable, Document):
    """What somebody wants, and how far it is."""

    customer = StringField(required=True, max_length=80)
    tea = StringField(required=True, choices=TEAS)
    packets = IntField(required=True, min_value=1, max_value=10)
    state = StringField(default="waiting")
    receipt = StringField()
    placed_at = DateTimeField(default=lambda: datetime.now(UTC))

    meta = {"indexes": ["placed_at"]}

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return bool(self.receipt)

    def pack(self) -> None:
        """Pack it, which takes a while, and go on with what follows: ``order.delay.pack()``."""
        self.update(state="being packed")
        time.sleep(current_app.config["PACKING_SECONDS"])
        self.update(state="packed")
        send_receipt.delay(self)
        if take(self.tea, self.packets) < LOW:  # where a run is repeated, a little early
            restock.delay(self.tea)


@job(queue="mail", retry_on=ConnectionError)
def send_receipt(order: Order) -> None:
    """Write the receipt, with the site's templates and settings; a shop with a mail server would send it too."""
    order.update(state="sent", receipt=render_template("receipt.txt", order=order))


@job(unique="tea")
def restock(tea: str) -> None:
    """Fill the shelf again: once, however many orders have found it empty."""
    Tea.objects(name=tea).update(sold=0)


@every("day at 3:00", tz="Europe/Athens")
@job
def forget_old_orders() -> None:
    """Delete the orders of the last year, each night."""
    Order.objects(placed_at__lt=datetime.now(UTC) - timedelta(days=365)).delete()


def take(tea: str, packets: int) -> int:
    """Take *packets* off the shelf, and return how many are left."""
    sold: int = Tea.objects(name=tea).modify(upsert=True, new=True, inc__sold=packets).sold
    return SHELF - sold
