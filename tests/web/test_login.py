"""Unknown visitors are sent to the site's login, and back."""

from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import Client

from mongojobs import ConfigurationError
from mongojobs.web import BasicAuth, wsgi_app
from tests.support.dashboard import OPERATOR, Visitor

LOGIN = "/site/login?theme=dark"


@pytest.fixture
def stranger(app):
    """Somebody whom the site does not know."""
    return Visitor(app, None, login_url=LOGIN)


def way_back(response):
    return parse_qs(urlsplit(response.headers["Location"]).query)["next"]


class TestAStranger:
    @pytest.mark.parametrize("path", ["/", "/jobs?state=failed&q=queue:mail", "/job?id=x", "/nowhere", "/static/x.css"])
    def test_is_led_to_the_login_and_back_to_the_page(self, stranger, path):
        response = stranger.get(path)

        assert response.status_code == 302
        assert response.headers["Location"].startswith("/site/login?theme=dark&next=")
        assert way_back(response) == [path]
        assert "Content-Security-Policy" in response.headers

    @pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example?a=b"])
    def test_is_led_back_to_this_site_alone(self, stranger, path):
        [back] = way_back(stranger.open("http://localhost" + path))

        assert not back.startswith(("//", "/\\"))
        assert urlsplit(back).netloc == ""

    def test_is_led_back_below_the_address_of_the_dashboard(self, app):
        client = Client(wsgi_app(app=app, auth=lambda _request: None, login_url="/login"))

        response = client.get("/queues", environ_overrides={"SCRIPT_NAME": "/jobs"})

        assert way_back(response) == ["/jobs/queues"]

    def test_is_not_led_round_in_circles(self, stranger):
        stranger.get("/")

        assert stranger.get("/").status_code == 403

    def test_who_sends_a_form_or_asks_for_a_part_is_refused(self, stranger):
        assert stranger.post("/jobs/change", {"action": "retry"}).status_code == 403
        assert stranger.get("/", HX_Request="true").status_code == 403

    def test_is_refused_where_no_login_is_known(self, app):
        assert Visitor(app, None).get("/").status_code == 403


def test_who_is_known_and_may_not_look_is_refused(app):
    def refuse(_request):
        raise Forbidden

    assert Client(wsgi_app(app=app, auth=refuse, login_url=LOGIN)).get("/").status_code == 403


def test_who_may_look_is_led_nowhere(app):
    assert Visitor(app, OPERATOR, login_url=LOGIN).get("/").status_code == 200


def test_names_and_passwords_are_asked_for_by_the_browser(app):
    client = Client(wsgi_app(app=app, auth=BasicAuth(viewers={"v": "p"}), login_url=LOGIN))

    assert client.get("/").status_code == 401


@pytest.mark.parametrize("url", ["", "login", "javascript:alert(1)", "/login\n", 7])
def test_a_login_that_is_not_an_address_is_refused(url):
    with pytest.raises(ConfigurationError, match="login_url must be a path"):
        wsgi_app(auth=lambda _request: None, login_url=url)
