"""Who Flask-Login knows, to the dashboard of a Flask site: operators, viewers, others and strangers."""

import flask
import flask_login
import flask_security
import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from mongojobs.web.auth import NotLoggedInError, User
from mongojobs.web.flask import flask_login as authenticate_in


class Person(flask_login.UserMixin):
    def __init__(self, name):
        self.id = name


class Account(flask_security.UserMixin):
    fs_uniquifier = "of an account"


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

    @pytest.mark.parametrize(("config", "url"), [({}, "/login"), ({"SECURITY_URL_PREFIX": "/auth"}, "/auth/login")])
    def test_is_led_to_the_login_of_flask_security(self, config, url):
        site = flask.Flask("site")
        site.config.update(SECRET_KEY="secret" * 8, SECURITY_PASSWORD_SALT="salt" * 8, **config)
        flask_security.Security(site, flask_security.UserDatastore(Account, None))
        authenticate = authenticate_in(site, is_viewer=lambda user: True, is_operator=lambda user: False)

        with pytest.raises(NotLoggedInError) as raised:
            authenticate(Request(EnvironBuilder().get_environ()))

        assert raised.value.login_url == url
