"""The dashboard as a part of Flask, Django and FastAPI sites, with the very lines of the docs."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from signal import Signals

import pytest

from tests.support.command_line import ROOT, clean_environ
from tests.support.dashboard import a_failed_job
from tests.support.dashboard_jobs import send_receipt

FILE = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<text>.*?)```", re.DOTALL)
FLASK = """
import flask, flask_login
app = flask.Flask(__name__)
app.secret_key = "for the tests"
logins = flask_login.LoginManager(app)

class Account(flask_login.UserMixin):
    def __init__(self, name):
        self.id, self.is_staff, self.is_admin = name, name == "victor", name == "olga"

logins.user_loader(Account)

import os
if os.environ["WITH_LOGIN"]:
    logins.login_view = "ask"

@app.route("/sign-in")
def ask():
    return "who are you? " + flask.request.args["next"]

@app.route("/login/<name>")
def login(name):
    flask_login.login_user(Account(name))
    return "welcome"
"""
DJANGO = """
import os, django
from django.conf import settings
settings.configure(
    SECRET_KEY="for the tests", ROOT_URLCONF="all_urls", ALLOWED_HOSTS=["*"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DJANGO_DATABASE"]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
)
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import User
call_command("migrate", verbosity=0)
for name, flags in (("olga", {"is_staff": True, "is_superuser": True}), ("mallory", {})):
    User.objects.get_or_create(username=name, defaults=flags)
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
wsgi, asgi = get_wsgi_application(), get_asgi_application()
"""
DJANGO_URLS = """
from django.contrib.auth import login as log_in
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path
from django_urls import urlpatterns as dashboard

def login(request, name):
    log_in(request, User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("welcome")

def ask(request):
    return HttpResponse("who are you? " + request.GET["next"])

import os
urlpatterns = [path("login/<name>", login), *dashboard]
if os.environ["WITH_LOGIN"]:
    urlpatterns.append(path("accounts/login/", ask))
"""
FASTAPI = """
from fastapi import FastAPI, Response
app = FastAPI()

def user_of_session(session):
    return session if session == "olga" else None

@app.get("/login/{name}")
def login(name: str, response: Response):
    response.set_cookie("session", name)
    return "welcome"
"""
SERVE = """
import os, sys, threading
import mongoengine
mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
import tests.support.dashboard_jobs
kind, module, name = sys.argv[1:]
application = getattr(__import__(module), name)
from socket import socket
listening = socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
if kind == "wsgi":
    from waitress import serve
    serve(application, sockets=[listening], _quiet=True)
else:
    import uvicorn
    uvicorn.Server(uvicorn.Config(application, log_level="error")).run(sockets=[listening])
"""
SITES = {
    "Flask": ("wsgi", "flask_site", "app"),
    "Django by WSGI": ("wsgi", "django_site", "wsgi"),
    "Django by ASGI": ("asgi", "django_site", "asgi"),
    "FastAPI": ("asgi", "fastapi_site", "app"),
}
WITH_LOGINS = ("Flask", "Django by WSGI", "Django by ASGI")


@pytest.fixture(scope="class", params=SITES)
def site(request, mongo_uri, tmp_path_factory):
    """The address of a site in a separate process, with the dashboard under /jobs, and a login if its name says so."""
    folder = tmp_path_factory.mktemp("site")
    for block in FILE.finditer((ROOT / "docs/dashboard.md").read_text()):
        (folder / block["name"]).write_text(block["text"])
    for name, text in {
        "site_with_flask.py": FLASK,
        "site_with_fastapi.py": FASTAPI,
        "django_site.py": DJANGO,
        "all_urls.py": DJANGO_URLS,
        "serve.py": SERVE,
    }.items():
        (folder / name).write_text(text)
    name, _, login = request.param.partition(" with ")
    environ = {"SAMPLE_URI": mongo_uri, "DJANGO_DATABASE": str(folder / "django.sqlite3"), "WITH_LOGIN": login}
    process = subprocess.Popen(
        [sys.executable, "serve.py", *SITES[name]],
        cwd=folder,
        env=clean_environ(environ) | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.send_signal(Signals.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()
    process.stdout.close()


class TestASite:
    def test_shows_the_dashboard_to_whom_it_knows(self, app, site, browser):
        failed = a_failed_job(name="shop.send", queue="mail")
        app.store.insert(failed)
        send_receipt.delay(7)
        stranger = browser.new_context()
        with_login = browser.new_context()
        try:
            refused = stranger.request.get(f"{site}/jobs/").status
            page = with_login.new_page()
            page.goto(f"{site}/login/olga")
            page.goto(f"{site}/jobs/")
            page.get_by_role("link", name="Jobs", exact=True).click()
            page.get_by_role("link", name="Failed").click()
            page.locator("tbody .name").click()
            page.get_by_role("button", name="Retry").click()
            said = page.get_by_role("status").first.inner_text()
            styled = page.evaluate("getComputedStyle(document.querySelector('header.top')).display")
            address = page.url
        finally:
            stranger.close()
            with_login.close()

        assert refused == 403
        assert said == "1 job will run again."
        assert address.startswith(f"{site}/jobs/job?id=")
        assert styled == "flex"
        assert app.get(failed.id).state == "ready"

    def test_shows_it_to_nobody_else(self, site, app, browser):
        context = browser.new_context()
        try:
            context.request.get(f"{site}/login/mallory")
            status = context.request.get(f"{site}/jobs/").status
        finally:
            context.close()

        assert status == 403


@pytest.mark.parametrize("site", [f"{name} with a login" for name in WITH_LOGINS], indirect=True)
class TestASiteWithALogin:
    def test_leads_strangers_to_it_and_nobody_else(self, site, app, browser):
        stranger, mallory = browser.new_context(), browser.new_context()
        try:
            page = stranger.new_page()
            page.goto(f"{site}/jobs/queues?a=b")
            asked = page.inner_text("body")
            mallory.request.get(f"{site}/login/mallory")
            refused = mallory.request.get(f"{site}/jobs/").status
        finally:
            stranger.close()
            mallory.close()

        assert asked == "who are you? /jobs/queues?a=b"
        assert refused == 403


def test_each_example_is_three_lines_besides_imports_and_functions():
    texts = [block["text"] for block in FILE.finditer((ROOT / "docs/dashboard.md").read_text())]

    lines = [
        [line for line in text.splitlines() if line and not line.startswith((" ", "from", "def"))] for text in texts
    ]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 3
