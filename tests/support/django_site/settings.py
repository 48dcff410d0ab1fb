"""Its settings; those of the jobs come from the test, if it starts a process."""

import os
from pathlib import Path
from tempfile import gettempdir

from tests.tasks_kit import NAME

SECRET_KEY = "not secret"
ALLOWED_HOSTS = ["*"]
DEBUG = True
USE_TZ = True
LANGUAGE_CODE = "en"
TIME_ZONE = "Europe/Athens"
ROOT_URLCONF = "tests.support.django_site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE = Path(gettempdir()) / f"mongojobs_site_{os.getpid()}.sqlite3"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE},
    "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE.with_suffix(".archive")},
    "mongo": {"ENGINE": "django_mongodb_backend", "HOST": "mongodb://localhost", "NAME": "of_the_test"},
}
LOGIN_URL = "/admin/login/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "mongojobs.django",
    "tests.support.django_site.shop",
]
TASKS = {
    "default": {"BACKEND": "mongojobs.django.Backend", "QUEUES": ["default", "other"], "OPTIONS": {"max_attempts": 1}},
    "patient": {"BACKEND": "mongojobs.django.Backend", "OPTIONS": {"max_attempts": 3}},
    "elsewhere": {"BACKEND": f"{NAME}.backends.dummy.DummyBackend"},
}
MONGOJOBS = {"uri": os.environ["SAMPLE_URI"]} if "SAMPLE_URI" in os.environ else {}
