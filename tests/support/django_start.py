"""Starts Django in this process, once, and leaves the default app as other tests expect it."""

import os

import mongojobs

SETTINGS = "tests.support.django_site.settings"


def start_django() -> None:
    """Start it with the settings of the sample project."""
    from django.apps import apps

    if apps.ready:
        return
    before = os.environ.get("DJANGO_SETTINGS_MODULE")
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    import django

    django.setup()
    if before is None:
        del os.environ["DJANGO_SETTINGS_MODULE"]
    mongojobs.configure()
