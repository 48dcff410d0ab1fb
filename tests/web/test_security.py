"""Who is let in, which forms count, and what no text in a job can do (S4, S8 to S14)."""

import re
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from mongoengine import Document
from werkzeug.test import Client

import mongojobs
from mongojobs import ConfigurationError, Delayable, enqueue, handle_asynchronously, job
from mongojobs.core.job_filter import JobFilter
from mongojobs.web import BasicAuth, User, wsgi_app
from mongojobs.web.routes import ROUTES
from mongojobs.web.search import term
from mongojobs.web.serving import Serving
from tests.support.dashboard import PAGES, VIEWER, Visitor, a_failed_job, a_running_job
from tests.support.jobs import HANDLER, a_job
from tests.support.secretive_jobs import CANARY, Login, log_in, open_doors
from tests.support.working import work_off


@job(name="test_security.opens", sensitive=("code",))
def opens(code: object, door: object = None) -> None: ...


@job(name="test_security.opens_more", sensitive=("rest", "more"))
def opens_more(door: object, *rest: object, **more: object) -> None: ...


@job(name="test_security.reveals", max_attempts=1)
def reveals(options: object, password: str) -> None:
    raise ValueError(f"refused {options} with {password}")


@job(name="test_security.Opening", sensitive=("code",))
@dataclass
class Opening:
    code: object
    door: object = None

    def perform(self) -> None: ...


class Vault(Delayable, Document):
    @handle_asynchronously(sensitive=("code",))
    def open(self, code: object, door: object = None) -> None: ...


PATHS = [rule.rule.replace("<path:name>", "dashboard.css") for rule in ROUTES.iter_rules()]
UNREACHABLE = mongojobs.MongoJobs()
"""An app without a database: whoever is refused must not even cause a question to it."""
CHANGES = [rule.rule for rule in ROUTES.iter_rules() if "POST" in rule.methods]
FOREIGN = {
    "another site": {"Sec_Fetch_Site": "cross-site"},
    "a neighbour": {"Sec_Fetch_Site": "same-site"},
    "nowhere": {"Sec_Fetch_Site": "none"},
    "another origin": {"Origin": "https://evil.example"},
    "an origin that begins alike": {"Origin": "http://localhost.evil.example"},
    "another port": {"Origin": "http://localhost:8080"},
    "a sandbox": {"Origin": "null"},
    "a malformed origin": {"Origin": "http://[::1"},
    "an own site that the browser denies": {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost"},
    "nobody knows where": {"X_Nothing": "1"},
}
HOSTILE = [
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "' onfocus='window.hacked = 1' autofocus='",
    "</pre></td></textarea></title><svg onload=window.hacked=1>",
    "{{ 7 * 191 }}{% print 7 * 191 %}${7*191}",
    "javascript:window.hacked=1",
    "admin\u202egnp.exe\u2066\u200f",
    "\x00\x1b[31m\x07",
    '<meta http-equiv=refresh content="0;url=http://evil.example">',
    "&lt;script&gt;&#x3c;script&#x3e;",
]


OUR_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "link",
    "script",
    "body",
    "a",
    "header",
    "svg",
    "rect",
    "nav",
    "ul",
    "li",
    "div",
    "button",
    "span",
    "main",
    "form",
    "input",
    "label",
    "p",
    "details",
    "summary",
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "bdi",
    "section",
    "h1",
    "h2",
    "ol",
    "code",
    "pre",
    "strong",
    "br",
    "footer",
    "select",
    "option",
    "figure",
    "meter",
    "time",
}


class Tags(HTMLParser):
    """Collects the tags of a page, each with its attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    @classmethod
    def of(cls, page: str) -> list[tuple[str, dict[str, str]]]:
        tags = cls()
        tags.feed(page)
        return tags.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def locked(app):
    """A dashboard behind a password."""
    return Client(wsgi_app(app=app, auth=BasicAuth(operators={"olga": "s3same"}, viewers={"victor": "look"})))


class TestWithoutCredentials:
    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
    @pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
    def test_every_route_asks_for_them(self, path, method):
        response = Client(wsgi_app(app=UNREACHABLE, auth=BasicAuth(operators={"olga": "s3same"}))).open(
            path, method=method
        )

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].lower().startswith("basic")

    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
    @pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
    def test_every_route_refuses_whom_the_site_does_not_know(self, path, method):
        assert Visitor(UNREACHABLE, None).open(path, method=method).status_code == 403

    @pytest.mark.parametrize("answer", [True, "olga", 1, object()])
    def test_what_is_not_a_user_is_nobody(self, answer):
        client = Client(wsgi_app(app=UNREACHABLE, auth=lambda _request: answer))

        assert client.get("/").status_code == 403

    @pytest.mark.parametrize("auth", [None, False, "olga"])
    def test_there_is_no_dashboard(self, auth):
        with pytest.raises(ConfigurationError, match="auth must be a function"):
            wsgi_app(auth=auth)

    def test_auth_cannot_be_forgotten(self):
        with pytest.raises(TypeError, match="auth"):
            wsgi_app()

    def test_an_answer_tells_nothing_of_the_jobs(self, app, locked):
        app.store.insert(a_job(name="shop.secret_project"))

        assert "secret_project" not in locked.get("/jobs").text


class TestAPassword:
    def test_lets_in(self, locked):
        assert locked.get("/", headers=basic("olga", "s3same")).status_code == 200

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("olga", "s3same "),
            ("olga", "S3SAME"),
            ("olga", ""),
            ("", "s3same"),
            ("olgas3", "same"),
            ("olga@x.evil", "s3same"),
        ],
    )
    def test_must_be_right(self, locked, name, password):
        assert locked.get("/", headers=basic(name, password)).status_code == 401

    @pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer s3same", "Basic b2xnYQ==", "Digest olga"])
    def test_must_be_well_formed(self, locked, header):
        assert locked.get("/", headers={"Authorization": header}).status_code == 401

    def test_makes_a_viewer_of_a_viewer(self, locked):
        response = locked.post("/queues/change", headers=basic("victor", "look") | {"Sec-Fetch-Site": "same-origin"})

        assert response.status_code == 403

    def test_may_be_tried_ten_times_a_minute(self, locked):
        wrong = [locked.get("/", headers=basic("olga", f"guess{n}")).status_code for n in range(11)]

        assert wrong == [401] * 10 + [429]

    def test_is_not_even_looked_at_after_that(self, locked):
        for n in range(10):
            locked.get("/", headers=basic("olga", f"guess{n}"))

        response = locked.get("/", headers=basic("olga", "s3same"))
        assert response.status_code == 429
        assert int(response.headers["Retry-After"]) <= 61

    def test_of_others_is_not_concerned(self, locked):
        for n in range(11):
            locked.get("/", headers=basic("olga", f"guess{n}"))

        elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
        assert locked.get("/", headers=basic("olga", "s3same"), environ_overrides=elsewhere).status_code == 200

    def test_must_not_be_empty(self):
        with pytest.raises(ConfigurationError, match="non-empty"):
            BasicAuth(operators={"olga": ""})


class TestARole:
    def test_is_to_look_unless_said_otherwise(self):
        assert not User("ada").may_operate

    def test_must_be_one_that_exists(self):
        with pytest.raises(ConfigurationError, match='"viewer" or "operator"'):
            User("ada", role="admin")

    @pytest.mark.parametrize("path", CHANGES)
    def test_of_a_viewer_changes_nothing(self, app, viewer, path):
        failed = a_failed_job()
        app.store.insert(failed)

        form = {"action": "delete", "id": str(failed.id), "confirmed": "1", "all": "1", "queue": "default"}
        assert viewer.post(path, form).status_code == 403
        assert app.get(failed.id) is not None

    @pytest.mark.parametrize("path", PAGES)
    def test_of_a_viewer_shows_no_buttons(self, app, viewer, path):
        app.store.insert(a_failed_job())
        app.store.insert(a_job())

        assert "<button name=" not in viewer.text(path)


class TestAForm:
    @pytest.fixture
    def failed(self, app):
        failed = a_failed_job()
        app.store.insert(failed)
        return failed

    @pytest.mark.parametrize("origin", FOREIGN)
    @pytest.mark.parametrize("path", CHANGES)
    def test_from_elsewhere_changes_nothing(self, app, operator, failed, path, origin):
        form = {"action": "retry", "id": str(failed.id), "all": "1", "confirmed": "1", "queue": "default"}

        assert operator.post(path, form, **FOREIGN[origin]).status_code == 403
        assert app.get(failed.id).state == "failed"

    @pytest.mark.parametrize("path", CHANGES)
    def test_is_never_sent_by_get(self, app, operator, failed, path):
        response = operator.get(f"{path}?action=retry&id={failed.id}&all=1&confirmed=1")

        assert response.status_code == 405
        assert app.get(failed.id).state == "failed"

    @pytest.mark.parametrize(
        "origin", ["http://localhost", "https://localhost", "http://localhost:80", "http://LOCALHOST"]
    )
    def test_of_the_same_host_counts(self, app, operator, failed, origin):
        operator.post("/job/change", {"action": "retry", "id": str(failed.id)}, Origin=origin)

        assert app.get(failed.id).state == "ready"

    def test_of_an_old_browser_counts_with_its_token(self, app, operator, failed):
        page = operator.get(f"/job?id={failed.id}")
        [token] = re.findall(r'name="token" value="([^"]+)"', page.text)[:1]
        cookie = page.headers["Set-Cookie"]

        form = {"action": "retry", "id": str(failed.id), "token": token}
        operator.post("/job/change", form, X_Old="1")

        assert app.get(failed.id).state == "ready"
        assert "SameSite=Strict" in cookie
        assert "HttpOnly" in cookie

    def test_of_an_old_browser_does_not_count_with_another_token(self, app, operator, failed):
        operator.get(f"/job?id={failed.id}")

        form = {"action": "retry", "id": str(failed.id), "token": "x"}
        assert operator.post("/job/change", form, X_Old="1").status_code == 403

    def test_that_is_too_large_is_refused(self, operator):
        assert operator.post("/jobs/change", {"q": "x" * 300_000}).status_code == 413


class TestAnAnswer:
    @pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/static/dashboard.js", "/job?id=x"])
    def test_lets_no_inline_script_and_no_other_site_in(self, operator, path):
        headers = operator.get(path).headers

        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name in dict(headers) if name.startswith("Access-Control")]

    @pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
    def test_is_kept_in_no_cache(self, operator, path):
        assert operator.get(path).headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("path", PAGES)
    def test_names_no_other_host(self, operator, path):
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', operator.text(path)) == []

    @pytest.mark.parametrize(
        "name", ["../access.py", "..%2faccess.py", "/etc/passwd", "vendor/vendored.toml", "", "vendor"]
    )
    def test_holds_no_file_but_those_of_the_pages(self, operator, name):
        assert operator.get(f"/static/{name}").status_code in (308, 404)

    def test_names_the_database_without_its_credentials(self, mongo_uri, monkeypatch):
        monkeypatch.setattr("mongojobs.web.app.PATIENCE", timedelta(seconds=0.3))
        uri = mongo_uri.replace("mongodb://", "mongodb://ann:c4n4ry@")
        with closing(mongojobs.MongoJobs(mongojobs.Settings(uri=uri))) as stranger:
            pages = [Visitor(stranger).get(path) for path in ("/system", "/")]

        assert "c4n4ry" not in "".join(page.text for page in pages)


class TestAHostileText:
    @pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
    def pages(self, app, operator, request):
        """Returns all pages that show a job which has a hostile text in each of its fields, and a worker like that."""
        text = request.param
        plain = text.replace("\x00", "")
        handler = HANDLER | {"target": text, "args": [text, [text]], "kwargs": {plain: {plain: text}}}
        fields = {"name": text, "queue": text, "handler": handler, "tags": (text,), "meta": {plain: text}}
        jobs = [
            a_failed_job(error=text, place=text, **fields),
            a_running_job(**fields | {"locked_by": text}),
            a_job(id=text, **fields),
            a_job(run_at=datetime.now(UTC) + timedelta(days=1), **fields),
        ]
        for one in jobs:
            app.store.insert(one)
        app.pauses.collection.insert_one({"_id": text, "paused": True, "since": datetime.now(UTC), "reason": text})
        now = datetime.now(UTC)
        worker = {"host": text, "pid": 1, "version": text, "queues": [text], "threads": 1, "state": text}
        run = {"id": text, "name": text, "queue": text, "since": now}
        times = {"started_at": now, "heartbeat_at": now, "expire_at": now + timedelta(minutes=1)}
        app.worker_store.collection.insert_one({"_id": text, "running": [run], **worker, **times})
        tick = {"at": now, "result": "missed", "why": text, "by": text}
        said = {"due": "15m", "tz": "UTC", "description": text, "job_name": text, "options": {plain: text}}
        edited = {plain or "x": {"at": now, "by": text}}
        schedule = {"source": "operator", "spec": said, "ticks": [tick], "edited": edited, "totals": {plain: 1}}
        schedule |= {"paused": {"at": now, "why": text, "by": text}}
        app.schedule_store.collection.insert_many([{"_id": text, **schedule}, {"_id": "hostile", **schedule}])
        single = ["/schedule?name=hostile", *(f"/job?id={one.id}" for one in jobs if one.id != text)]
        quoted = [("/jobs", {"q": text}), ("/failures", {"queue": text}), ("/performance", {"name": text})]
        found = [operator.get(path).text for path in [*PAGES, *single]]
        return found + [operator.open(path, query_string=query).text for path, query in quoted]

    def test_becomes_no_markup(self, pages):
        tags = [tag for page in pages for tag in Tags.of(page)]

        assert {name for name, _ in tags} <= OUR_TAGS
        assert [name for name, attributes in tags if [key for key in attributes if key.startswith("on")]] == []
        assert [name for name, attributes in tags if name == "script" and "src" not in attributes] == []
        assert [name for name, attributes in tags if attributes.get("href", "").strip().startswith("javascript")] == []

    def test_is_never_a_template(self, pages):
        assert "1337" not in "\n".join(pages)

    def test_turns_no_reading_direction_and_commands_no_terminal(self, pages):
        assert not re.search(r"[\x00\x07\x1b\u200e\u200f\u202a-\u202e\u2066-\u2069]", "\n".join(pages))

    def test_breaks_no_page(self, pages):
        assert [page for page in pages if "Internal Server Error" in page or "</html>" not in page] == []


class TestASecret:
    @pytest.fixture
    def pages(self, app, operator):
        """Returns all pages about the jobs in the store."""

        def pages():
            ids = [document["_id"] for document in app.store.collection.find({}, {"_id": 1})]
            single = [operator.get(f"/job?id={job_id}").text for job_id in ids]
            return "\n".join([*single, *(operator.text(path) for path in PAGES), operator.text("/jobs?state=failed")])

        return pages

    @pytest.mark.parametrize(
        "slip",
        [
            lambda: log_in.options(max_attempts=1).delay("ada", CANARY),
            lambda: log_in.options(max_attempts=1).delay("ada", password=CANARY),
            lambda: open_doors.options(max_attempts=1).delay([{"front": CANARY}, {CANARY}, (CANARY,)]),
            lambda: enqueue(Login("ada", CANARY), max_attempts=1),
        ],
    )
    def test_that_was_declared_is_masked_before_and_after_its_run(self, app, pages, slip):
        slip()
        before = pages()
        work_off()

        assert "c4n4ry" not in before
        assert "c4n4ry" not in pages()
        assert "masked" in pages()

    @pytest.mark.parametrize(
        "name", ["password", "api_key", "accessToken", "client-secret", "Authorization", "sessionid"]
    )
    def test_that_its_name_gives_away_is_masked_also_inside_of_values_and_in_errors(self, app, pages, name):
        @job(name="test_security.calls_out", max_attempts=1)
        def calls_out(options, **more):
            raise ValueError(f"refused {options}")

        calls_out.delay({"user": "ada", name: "c4n4ry-inside"}, **{name: "c4n4ry-outside"})
        work_off()

        assert "c4n4ry" not in pages()
        assert "&#39;ada&#39;" in pages()

    def test_of_a_job_whose_code_is_not_known_here_may_be_any_argument(self, app, pages):
        app.store.insert(a_job(handler=HANDLER | {"args": ["c4n4ry"], "kwargs": {"x": "c4n4ry"}}))

        assert "c4n4ry" not in pages()

    def test_cannot_be_guessed_by_looking_for_it(self, operator):
        assert operator.get("/jobs?q=arg.password:x").status_code == 400
        assert operator.get("/jobs?q=arg.options.api_key:x").status_code == 400

    @pytest.mark.parametrize("look", ["arg.code:4711", "arg.0:4711", 'arg.0:"4711"', "arg.rest:4711", "arg.v.0.1:4711"])
    @pytest.mark.parametrize("path", ["/jobs?q={}", "/jobs?state=ready&q={}"])
    def test_is_found_by_no_name_position_or_path(self, operator, look, path):
        opens.delay(4711)
        opens.delay(code=4711)
        opens.delay("4711")
        opens_more.delay(1, 4711, rest=4711)
        opens_more.delay(1, **{"client-secret": 4711})
        Vault().save().open(4711)
        enqueue(Opening(4711))

        found = operator.text(path.format(quote(look)))

        assert "test_security.opens" not in found
        assert "Opening" not in found
        assert "Vault" not in found

    def test_does_not_keep_what_is_shown_from_being_found(self, operator):
        opens.delay("secret", door=7)
        Vault().save().open("secret", 7)
        enqueue(Opening("secret", 7))

        found = operator.text("/jobs?q=arg.door:7")

        assert found.count("/job?id=") >= 3

    @pytest.mark.parametrize("look", ["arg.0:1", "arg.x:c4n4ry", "arg.0:c4n4ry"])
    def test_of_a_job_whose_code_is_not_known_here_is_not_found_either(self, app, operator, look):
        app.store.insert(a_job(name="unknown.to.us", handler=HANDLER | {"args": ["c4n4ry"], "kwargs": {"x": "c4n4ry"}}))

        assert "unknown.to.us" not in operator.text(f"/jobs?q={look}")

    @pytest.mark.parametrize("look", ["c4n4ry", "c4n4r", "inside", "c4n4ry-outside"])
    def test_in_an_error_is_found_neither_by_viewers_nor_by_anybody(self, app, operator, look):
        reveals.delay({"user": "ada", "api_key": "c4n4ry-inside"}, password="c4n4ry-outside")
        work_off()

        assert "test_security.reveals" in operator.text("/jobs?q=error:refused")
        assert "test_security.reveals" not in operator.text(f"/jobs?q=error:{look}")
        assert app.count(JobFilter(error=look)).number == 0

    def test_does_not_show_in_the_link_to_jobs_that_failed_alike(self, app, operator):
        reveals.delay({"user": "ada", "api_key": "c4n4ry-inside"}, password="c4n4ry-outside")
        work_off()

        assert "c4n4ry" not in operator.text("/failures")

    def test_cannot_be_guessed_by_changing_many(self, app, operator):
        opens.delay(4711)
        opens.delay("shut", door=7)

        operator.post("/jobs/change", {"action": "cancel", "q": "arg.code:4711", "all": "1", "confirmed": "1"})
        operator.post("/jobs/change", {"action": "cancel", "q": "arg.door:7", "all": "1", "confirmed": "1"})

        assert (app.counts()["ready"].number, app.counts()["cancelled"].number) == (1, 1)

    def test_arguments_that_are_not_shown_cannot_be_looked_for(self, app):
        assert Visitor(app, show_arguments=False).get("/jobs?q=arg.door:7").status_code == 400

    def test_arguments_are_not_shown_where_nobody_wants_them(self, app):
        made = a_job(handler=HANDLER | {"kwargs": {"plain": "c4n4ry"}}, meta={"plain": "c4n4ry"})
        app.store.insert(made)

        assert "c4n4ry" not in Visitor(app, show_arguments=False).text(f"/job?id={made.id}")


class TestAQuery:
    @pytest.mark.parametrize(
        "query",
        [
            {"q": term("queue", '{"$ne":null}')},
            {"q": term("name", '{"$gt":""}')},
            {"q": term("arg.0", '{"$ne":1}')},
            {"q": term("arg.x", '{"$where":"sleep(9999)"}')},
            {"q": "queue:{$ne:null}"},
            {"q": "arg.$where:1"},
            {"q": "error:.*"},
            {"q": "error:(a+)+$"},
            {"q": "queue:/./"},
        ],
        ids=str,
    )
    def test_has_values_and_no_operators_or_patterns(self, app, operator, query):
        app.store.insert(a_failed_job(error="a" * 60))

        response = operator.open("/jobs", query_string={"state": "failed", **query})

        assert response.status_code == 200
        assert "No job matches" in response.text

    @pytest.mark.parametrize("query", ["queue[$ne]=x", "q[$gt]=", "state[]=failed"])
    def test_knows_no_names_but_its_own(self, app, operator, query):
        assert operator.get(f"/jobs?{query}").status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/jobs?state=$ne",
            "/jobs?q=arg.a..b:1",
            "/jobs?q=nonsense:1",
            '/jobs?q="',
            "/jobs?q=since:forever",
            "/jobs?q=queue:a queue:b",
            "/jobs?q=" + "x" * 2000,
            "/jobs?q=name:" + "x" * 500,
            "/jobs?after=1000000000",
            "/jobs?after=" + "A" * 1020,
            "/jobs?after=../../etc",
            "/performance?range=1000000000h",
            "/performance?sort=$where",
            "/?range=x",
            "/jobs?did=retry&n=1e9",
            "/queues?did=pause&n=-1",
        ],
        ids=lambda path: path[:40],
    )
    def test_that_makes_no_sense_is_refused_in_a_sentence(self, operator, path):
        response = operator.get(path)

        assert response.status_code == 400
        assert "Traceback" not in response.text

    @pytest.mark.parametrize("page", ["/job", "/job/again"])
    @pytest.mark.parametrize(
        "job_id", ["x", "", "text-", "number-", "number-99999999999999999999999", "number-²", "{'$ne':1}", "a" * 999]
    )
    def test_for_a_job_that_cannot_be_is_refused(self, operator, page, job_id):
        assert operator.open(page, query_string={"id": job_id}).status_code == 400

    @pytest.mark.parametrize("page", ["/job", "/job/again"])
    @pytest.mark.parametrize("job_id", ["text-x", "text-\0", "number-9223372036854775808", "0" * 24])
    def test_for_a_job_that_is_not_there_finds_none(self, operator, page, job_id):
        assert operator.open(page, query_string={"id": job_id}).status_code == 404

    @pytest.mark.parametrize(
        ("path", "form"),
        [
            ("/jobs/change", {"action": "$set", "all": "1"}),
            ("/jobs/change", {"action": "retry"}),
            ("/jobs/change", {"action": "move", "all": "1", "queue": "", "priority": ""}),
            ("/jobs/change", {"action": "move", "all": "1", "priority": "99999999999"}),
            ("/jobs/change", {"action": "move", "all": "1", "confirmed": "1", "queue": "$x"}),
            ("/jobs/change", {"action": "retry", "all": "1", "confirmed": "1", "q": 'queue:"'}),
            ("/job/change", {"action": "explode", "id": "x"}),
            ("/queues/change", {"action": "pause", "queue": "a,b"}),
            ("/queues/change", {"action": "pause", "queue": "mail", "for": "1e9d"}),
            ("/queues/change", {"action": "pause", "queue": "mail", "for": "-5m"}),
            ("/queues/change", {"action": "drop", "queue": "mail"}),
            ("/workers/change", {"action": "stop"}),
            ("/workers/change", {"action": "kill", "name": "w"}),
        ],
        ids=str,
    )
    def test_for_a_change_that_makes_no_sense_is_refused(self, app, operator, path, form):
        assert operator.post(path, form).status_code in (400, 409)
        assert list(app.pauses.collection.find()) == []


class TestServingAlone:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "jobs.example.org", ""])
    def test_refuses_to_start_where_others_can_connect(self, host):
        with pytest.raises(ConfigurationError, match="MONGOJOBS_WEB_USER"):
            Serving(host=host)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.5.5.5"])
    def test_needs_no_credentials_on_this_machine(self, host):
        assert Serving(host=host).auth(None).may_operate

    def test_starts_anywhere_with_credentials(self):
        assert isinstance(Serving(host="0.0.0.0", user="olga", password="s3same").auth, BasicAuth)

    def test_starts_anywhere_when_told_to_be_insecure(self):
        assert Serving(host="0.0.0.0", insecure=True).auth(None) is not None

    @pytest.mark.parametrize("half", [{"user": "olga"}, {"password": "s3same"}])
    def test_wants_both_halves_of_the_credentials(self, half):
        with pytest.raises(ConfigurationError, match="go together"):
            Serving(**half)

    def test_lets_nobody_operate_when_read_only(self):
        assert not Serving(read_only=True).auth(None).may_operate

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example"])
    def test_answers_to_no_foreign_name_without_credentials(self, app, host):
        serving = Serving()
        client = Client(wsgi_app(app=app, auth=serving.auth, trusted_hosts=serving.trusted_hosts))

        assert client.get("/jobs", headers={"Host": host}).status_code == 400
        assert client.get("/jobs", headers={"Host": "127.0.0.1:8787"}).status_code == 200


class TestAnAction:
    def test_is_logged_with_user_filter_and_count(self, app, operator, caplog):
        app.store.insert(a_failed_job(queue="mail"))
        caplog.set_level("INFO", logger="mongojobs")

        operator.post(
            "/jobs/change", {"action": "retry", "all": "1", "confirmed": "1", "q": "queue:mail", "state": "failed"}
        )

        [record] = [record for record in caplog.records if getattr(record, "event", "") == "dashboard.action"]
        assert (record.user, record.action, record.count) == ("olga", "retry", 1)
        assert "queue:mail" in record.getMessage()

    def test_is_reported_to_the_app(self, app):
        told = []
        operator = Visitor(app, on_action=told.append)

        operator.post("/queues/change", {"action": "pause", "queue": "mail", "reason": "why not"})

        [action] = told
        assert (action.user, action.action, action.count) == ("olga", "pause", 1)
        assert action.target["reason"] == "why not"

    def test_that_was_refused_is_not(self, app, caplog):
        told = []
        Visitor(app, VIEWER, on_action=told.append).post("/queues/change", {"action": "pause", "queue": "mail"})

        assert told == []
