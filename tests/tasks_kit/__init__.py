"""Cases for any backend of `django.tasks`; see `conftest.py`."""

from importlib.util import find_spec

NAME = "django.tasks" if find_spec("django.tasks") else "django_tasks"
"""Where the framework is: in Django 6, or in the package `django-tasks`."""
