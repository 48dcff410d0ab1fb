"""The settings; what differs from place to place is read from the environment."""

import os
import secrets
from pathlib import Path

BASE = Path(__file__).parents[1]

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_hex()  # set it: one for all processes and deploys
ADMIN_PASSWORD = os.environ.get("ADMIN_PASSWORD", "")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")
DEBUG = "DEBUG" in os.environ

# Orders and users are in SQL, here in a file; jobs are in MongoDB, whatever the rest is in.
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", BASE / "shop.sqlite3")}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MONGOJOBS = {
    "uri": os.environ.get("MONGODB_URI", "mongodb://localhost:27017/teashop"),
    "keep_completed": "1d",
    "heartbeat": 1,  # so often a report is told how far it is
}
TASKS = {"default": {"BACKEND": "mongojobs.django.Backend", "QUEUES": ["default", "mail"]}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "mongojobs.django",
    "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
ROOT_URLCONF = "config.urls"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
LOGIN_REDIRECT_URL = "/"

USE_TZ = True
TIME_ZONE = "Europe/Athens"

PACKING_SECONDS = float(os.environ.get("PACKING_SECONDS", "3"))
