"""The jobs of the app, which note what they find around them."""

import os
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone, translation

from mongojobs import job
from tests.support.django_site.shop.models import Order

seen: list[object] = []


def state() -> tuple[str, str]:
    return translation.get_language(), timezone.get_current_timezone_name()


def ask() -> int:
    """Run a query, and return how many are logged on this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return len(connection.queries)


@job
def look_around(language: str | None = None) -> None:
    seen.append(state())
    if language:
        translation.activate(language)
        timezone.activate("Asia/Tokyo")


@job
def query() -> None:
    seen.append(ask())


@job
async def query_async() -> None:
    seen.append(await sync_to_async(ask)())


@job
def leave_open() -> None:
    """Leave a connection that Django would close after a request."""
    connection.ensure_connection()
    seen.append(connections["default"])


@job
def write_language(path: str) -> None:
    Path(path).write_text(f"{settings.LANGUAGE_CODE} {os.getpid()}")


@job
def see(first: Order, second: Order) -> None:
    seen.append((first, second))


@job
async def see_async(order: Order) -> None:
    seen.append(order)


@job(on_missing="discard")
def see_if_there(order: Order) -> None:
    seen.append(order)
