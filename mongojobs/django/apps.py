"""``mongojobs.django`` in ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig


class MongoJobsConfig(AppConfig):
    """Sets up the default app when Django starts, and imports the jobs of the project."""

    name = "mongojobs.django"
    label = "mongojobs"
    verbose_name = "Background jobs"

    def ready(self) -> None:
        """Read ``MONGOJOBS``, then import the jobs of every installed app. Raises ConfigurationError."""
        from mongojobs.django import checks  # noqa: PLC0415 - imported once Django is ready for it
        from mongojobs.django.configuring import configure_from_settings  # noqa: PLC0415
        from mongojobs.django.cycle import as_a_request  # noqa: PLC0415
        from mongojobs.django.discovery import discover  # noqa: PLC0415
        from mongojobs.django.references import refer_to_models  # noqa: PLC0415

        checks.register()
        refer_to_models()
        app = configure_from_settings()
        app.lifecycle.around("invoke_job", as_a_request)
        if discover():
            from mongojobs.django.tasks.runs import tell_of_ends  # noqa: PLC0415 - which needs a framework of tasks

            tell_of_ends(app)
