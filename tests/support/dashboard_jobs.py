"""Jobs for the dashboard's tests: they end, fail, or run until a file says that they may end."""

import os
import time
from pathlib import Path

import mongoengine

from mongojobs import Delayable, job

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


class Club(Delayable, mongoengine.Document):
    """A document with a method to delay."""

    name = mongoengine.StringField()

    def update_users(self, level: int) -> None:
        """Do nothing."""


@job(queue="mail")
def send_receipt(order_id: int, password: str = "") -> None:
    """Do nothing."""


@job(queue="mail", max_attempts=1)
def refuses(order_id: int) -> None:
    """Fail."""
    raise ValueError(f"order {order_id} was refused")


@job(queue="slow")
def waits_for(path: str) -> None:
    """Run until the file is there."""
    while not Path(path).exists():
        time.sleep(0.05)
