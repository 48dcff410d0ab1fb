"""``python manage.py release``: all that has to be done once with each deploy, safe to be repeated."""

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import BaseCommand, call_command


class Command(BaseCommand):
    """Tables, indexes, and the first user."""

    help = "Bring tables and indexes up to date, and make the user admin, with ADMIN_PASSWORD, unless there is one."

    def handle(self, **_options: object) -> None:
        """Do it."""
        call_command("migrate", verbosity=0)
        call_command("mongojobs", "create-indexes")
        if settings.ADMIN_PASSWORD and not User.objects.filter(username="admin").exists():
            User.objects.create_superuser("admin", password=settings.ADMIN_PASSWORD)
