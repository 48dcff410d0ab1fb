"""Who Flask-Login knows, to the dashboard of a Flask site: operators, viewers, others and strangers."""

import flask
import flask_login
import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from mongojobs.web.auth import NotLoggedInError, User
from mongojobs.web.flask import flask_login as authenticate_in


class Person(flask_login.UserMixin):
    def __init__(self, name):
        self.id = name


@pytest.fixture
def logins():
    """The Flask-Login of a site that knows people by a header."""
    site = flask.Flask("site")
    site.add_url_rule("/login", "login", lambda: "who are you?")
    logins = flask_login.LoginManager(site)
    logins.request_loader(lambda request: Person(name) if (name := request.headers.get("Name")) else None)
    logins.site = site
    return logins


@pytest.fixture
def ask(logins):
    """Asks who a request is from."""
    authenticate = authenticate_in(
        logins.site, is_viewer=lambda user: user.id == "vera", is_operator=lambda user: user.id == "olga"
    )
    return lambda **headers: authenticate(Request(EnvironBuilder(headers=headers).get_environ()))


class TestAUser:
    @pytest.mark.parametrize(("name", "role"), [("olga", "operator"), ("vera", "viewer")])
    def test_has_the_role_that_the_site_says(self, ask, name, role):
        assert ask(Name=name) == User(name, role=role)

    def test_without_a_role_is_refused(self, ask):
        with pytest.raises(Forbidden):
            ask(Name="mallory")


class TestAStranger:
    @pytest.mark.parametrize(
        ("view", "url"),
        [("login", "/login"), ("https://login.example", "https://login.example"), (None, None), ("no_such_view", None)],
    )
    def test_is_led_to_the_login_that_there_is(self, ask, logins, view, url):
        logins.login_view = view

        with pytest.raises(NotLoggedInError) as raised:
            ask()

        assert raised.value.login_url == url
