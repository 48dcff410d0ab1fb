"""What Sentry is told of jobs: spans, one event for each job that is given up on, and check-ins, by a real SDK."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sentry_sdk
from sentry_sdk import integrations
from sentry_sdk import scope as scopes
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

import mongojobs
from mongojobs import current_job, job
from mongojobs.app.doctor.examine import examine
from mongojobs.core.notices import DatabaseAway, JobFailed, WorkerStopping
from mongojobs.plugins.sentry import SentryPlugin
from mongojobs.plugins.sentry.checkins import monitor_of, slug_of
from tests.support import sentry_app
from tests.support.command_line import ROOT, run
from tests.support.working import work_off

logger = logging.getLogger(__name__)


@job(queue="mail")
def looks():
    sentry_sdk.set_tag("seen", "yes")
    with sentry_sdk.start_span(op="db", name="inside"):
        pass


@job(queue="mail")
def looks_streamed():
    with sentry_sdk.traces.start_span(name="inside"):
        pass


@job(max_attempts=2, sensitive=("secret",))
def tells_a_secret(secret):
    whispered = f"{secret}!"
    sentry_sdk.add_breadcrumb(message=f"got {secret}")
    raise ValueError(f"cannot use {whispered}")


@job(max_attempts=1)
async def breaks_async():
    raise LookupError("not here")


@job(max_attempts=1)
def reports_itself():
    try:
        raise KeyError("own")
    except KeyError as error:
        sentry_sdk.capture_exception(error)
        raise


@job(max_attempts=1)
def logs_and_breaks():
    try:
        raise KeyError("logged")
    except KeyError:
        logger.exception("it went wrong")
        raise


@job(max_attempts=1)
def loses_its_lock():
    mine = {"_id": current_job().id}
    mongojobs.default_app().store.collection.update_one(mine, {"$set": {"lock_token": "another's"}})
    raise ValueError("too late")


@job
def captures():
    sentry_sdk.capture_message("all is well")


class Memory(Transport):
    """Keeps what would be sent, by its kind."""

    def __init__(self, options=None):
        super().__init__(options)
        self.sent = []

    def capture_envelope(self, envelope):
        self.sent += [(item.type, item.payload.json) for item in envelope.items]

    def flush(self, timeout, callback=None):
        self.flushed_within = timeout

    def of(self, kind):
        return [sent for its_kind, sent in self.sent if its_kind == kind]

    @property
    def spans(self):
        """The streamed spans, each with its attributes as plain values."""
        sentry_sdk.flush()
        found = [span for batch in self.of("span") for span in batch["items"]]
        return [{**span, "attributes": {n: v["value"] for n, v in span["attributes"].items()}} for span in found]


@pytest.fixture(scope="module", autouse=True)
def _sdk():
    """Take back what the SDK has changed in this process."""
    kept = [
        (names, type(names)(names))
        for names in (integrations._installed_integrations, integrations._processed_integrations)
    ]
    calling, processors = logging.Logger.callHandlers, [*scopes.global_event_processors]
    yield
    sentry_sdk.get_global_scope().set_client(None)
    logging.Logger.callHandlers = calling
    scopes.global_event_processors[:] = processors
    for names, before in kept:
        names.clear()
        names.update(before)


@pytest.fixture
def start():
    """Returns a function that starts the SDK as an app does, and returns what it sends."""

    def start(**options):
        sentry_sdk.init(
            transport=(transport := Memory()),
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration(), DedupeIntegration()],
            enable_backpressure_handling=False,
            auto_session_tracking=False,
            **{"dsn": "http://key@127.0.0.1:1/1", "traces_sample_rate": 1.0, **options},
        )
        return transport

    with sentry_sdk.isolation_scope():
        yield start
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def sentry(start):
    return start()


@pytest.fixture
def configure(connection):
    def configure(**options):
        app = mongojobs.configure(plugins=[SentryPlugin(**options)], retry_jitter=0)
        app.create_indexes()
        return app

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure):
    return configure()


def transactions(sentry):
    return {one["transaction"]: one for one in sentry.of("transaction")}


def data_of(transaction):
    return transaction["contexts"]["trace"]["data"]


class TestAnEnqueue:
    def test_is_a_span_of_the_transaction_that_it_is_in(self, app, sentry):
        with sentry_sdk.start_transaction(name="GET /"):
            sent = looks.delay()

        [span] = transactions(sentry)["GET /"]["spans"]
        assert (span["op"], span["description"], span["origin"]) == (
            "queue.publish",
            f"{__name__}.looks",
            "auto.queue.mongojobs",
        )
        known = {name: span["data"][name] for name in span["data"] if name.startswith("messaging.")}
        assert known.pop("messaging.message.body.size") > 50
        assert known == {
            "messaging.system": "mongojobs",
            "messaging.message.id": str(sent.id),
            "messaging.destination.name": "mail",
        }

    def test_leaves_its_trace_in_the_job_beside_what_the_caller_gave(self, app, sentry):
        with sentry_sdk.start_transaction(name="GET /") as request:
            sent = looks.options(meta={"tenant": 7}).delay()

        stored = app.get(sent.id).meta
        assert stored["tenant"] == 7
        assert stored["sentry"]["sentry-trace"].startswith(f"{request.trace_id}-")
        assert f"sentry-trace_id={request.trace_id}" in stored["sentry"]["baggage"]

    def test_that_runs_the_job_at_once_has_it_in_its_span(self, configure, sentry):
        configure()
        mongojobs.configure(delay_jobs=False)
        with sentry_sdk.start_transaction(name="GET /"):
            looks.delay()

        [request] = sentry.of("transaction")
        publish, inside = sorted(request["spans"], key=lambda span: span["op"], reverse=True)
        assert (publish["op"], inside["op"]) == ("queue.publish", "db")
        assert inside["parent_span_id"] == publish["span_id"]

    def test_costs_nothing_where_the_sdk_is_not_started(self, app):
        assert app.get(looks.delay().id).meta is None


class TestARun:
    def test_is_a_transaction_in_the_trace_of_the_enqueue(self, app, sentry):
        with sentry_sdk.start_transaction(name="GET /") as request:
            sent = looks.delay()
        work_off(name="ada")

        run = transactions(sentry)[f"{__name__}.looks"]
        trace = run["contexts"]["trace"]
        assert (trace["op"], trace["status"], trace["trace_id"]) == ("queue.process", "ok", request.trace_id)
        assert trace["parent_span_id"] == transactions(sentry)["GET /"]["spans"][0]["span_id"]
        assert data_of(run)["messaging.message.id"] == str(sent.id)
        assert data_of(run)["messaging.destination.name"] == "mail"
        assert data_of(run)["messaging.message.retry.count"] == 0
        assert data_of(run)["messaging.message.receive.latency"] >= 0
        assert data_of(run)["messaging.message.body.size"] > 50
        assert run["transaction_info"]["source"] == "task"

    def test_has_the_spans_and_tags_of_its_code_and_its_own(self, app, sentry):
        sent = looks.delay()
        work_off(name="ada")

        [run] = sentry.of("transaction")
        assert [span["op"] for span in run["spans"]] == ["db"]
        assert run["tags"] == {
            "job": f"{__name__}.looks",
            "queue": "mail",
            "attempt": "1",
            "worker": "ada",
            "job_id": str(sent.id),
            "seen": "yes",
        }
        assert "seen" not in sentry_sdk.get_isolation_scope()._tags

    def test_of_a_damaged_trace_begins_one(self, app, sentry):
        sent = looks.delay()
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"meta": {"sentry": {"sentry-trace": 7}}}})
        work_off()

        [run] = sentry.of("transaction")
        assert run["contexts"]["trace"].get("parent_span_id") is None

    def test_leaves_what_its_code_reports_as_it_is(self, app, sentry):
        captures.delay()
        work_off()

        [event] = sentry.of("event")
        assert (event["message"], event["tags"]["job"]) == ("all is well", f"{__name__}.captures")
        assert event["contexts"]["trace"]["trace_id"] == sentry.of("transaction")[0]["contexts"]["trace"]["trace_id"]


@pytest.mark.skipif(not hasattr(sentry_sdk, "traces"), reason="this SDK streams no spans")
class TestStreamedSpans:
    @pytest.fixture
    def sentry(self, start):
        return start(trace_lifecycle="stream")

    def test_have_the_attributes_of_queues(self, app, sentry):
        with sentry_sdk.traces.start_span(name="GET /") as request:
            sent = looks_streamed.delay()
        work_off()

        spans = {span["attributes"].get("sentry.op", span["name"]): span for span in sentry.spans}
        publish, process = spans["queue.publish"], spans["queue.process"]
        assert {publish["trace_id"], process["trace_id"]} == {request.trace_id}
        assert process["parent_span_id"] == publish["span_id"]
        assert process["attributes"]["messaging.message.id"] == str(sent.id)
        assert process["attributes"]["messaging.message.receive.latency"] >= 0
        assert publish["attributes"]["messaging.destination.name"] == "mail"
        assert (process["status"], spans["inside"]["parent_span_id"]) == ("ok", process["span_id"])

    def test_of_a_failed_run_are_errors(self, app, sentry):
        breaks_async.delay()
        work_off()

        [span] = sentry.spans
        assert span["status"] == "error"
        assert sentry.of("event")[0]["contexts"]["trace"]["span_id"] == span["span_id"]


class TestAFailure:
    def test_is_one_event_once_the_job_is_given_up_on(self, app, sentry):
        sent = tells_a_secret.delay("c4n4ry")
        work_off()
        assert sentry.of("event") == []

        app.run_now(sent.id)
        work_off(name="ada")

        [event] = sentry.of("event")
        assert event["tags"]["attempt"] == "2"
        assert (event["tags"]["worker"], event["tags"]["job_id"]) == ("ada", str(sent.id))
        assert event["exception"]["values"][-1]["type"] == "ValueError"
        assert event["exception"]["values"][-1]["mechanism"] == {"type": "mongojobs", "handled": False}

    def test_shows_the_code_of_the_job_and_none_of_its_secrets(self, app, sentry):
        tells_a_secret.options(max_attempts=1).delay("c4n4ry")
        work_off()

        [event] = sentry.of("event")
        *ours, frame = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert (frame["function"], frame["in_app"]) == ("tells_a_secret", True)
        assert {one["in_app"] for one in ours} == {False}
        assert frame["vars"]["whispered"].startswith("'[masked]")
        assert "got [masked]" in [crumb["message"] for crumb in event["breadcrumbs"]["values"]]
        assert "c4n4ry" not in str(sentry.sent)

    def test_is_in_the_trace_of_its_run(self, app, sentry):
        breaks_async.delay()
        work_off()

        [event], [run] = sentry.of("event"), sentry.of("transaction")
        assert event["contexts"]["trace"]["span_id"] == run["contexts"]["trace"]["span_id"]
        assert run["contexts"]["trace"]["status"] == "internal_error"
        assert event["transaction"] == f"{__name__}.breaks_async"

    def test_is_one_event_for_each_run_if_asked_for(self, configure, sentry):
        app = configure(retries=True)
        sent = tells_a_secret.delay("c4n4ry")
        work_off()
        app.run_now(sent.id)
        work_off()

        assert [event["tags"]["attempt"] for event in sentry.of("event")] == ["1", "2"]

    @pytest.mark.parametrize("failing", [reports_itself, logs_and_breaks], ids=["reported", "logged"])
    def test_that_its_code_has_told_of_is_not_told_again(self, app, sentry, failing):
        failing.delay()
        work_off()

        assert len(sentry.of("event")) == 1

    def test_of_a_job_that_cannot_be_loaded_is_an_event_too(self, app, sentry):
        sent = looks.delay()
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"handler.v": 0}})
        work_off()

        [event] = sentry.of("event")
        assert event["exception"]["values"][-1]["type"] == "DamagedPayloadError"
        assert event["tags"]["job"] == f"{__name__}.looks"

    def test_of_a_lost_worker_is_an_event_that_names_it(self, app, sentry):
        sent = looks.delay()
        lock = {"locked_by": "ada", "locked_until": datetime.now(UTC) - timedelta(hours=1), "lock_token": "t"}
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"state": "running", "losses": 99, **lock}})
        work_off(name="bob")

        [event] = sentry.of("event")
        assert event["message"] == f"{__name__}.looks: its worker was lost, 100 times by now"
        assert (event["tags"]["worker"], event["tags"]["queue"]) == ("ada", "mail")
        assert event["contexts"]["trace"]["trace_id"] == sent.meta["sentry"]["sentry-trace"].partition("-")[0]

    def test_is_no_event_if_another_worker_has_the_job_by_then(self, app, sentry):
        loses_its_lock.delay()
        work_off()

        assert sentry.of("event") == []

    def test_is_no_event_for_a_job_that_expired(self, app, sentry):
        sent = looks.options(expires_in="1h").delay()
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"expires_at": sent.run_at}})
        work_off()

        assert sentry.of("event") == []

    def test_is_told_by_text_where_it_was_raised_in_a_child(self, app, sentry):
        """As by a worker with executor="process", which hears of the error of a child in words."""
        found = looks.delay()
        trace = (
            'Traceback (most recent call last):\n  File "/srv/shop.py", line 3, in first\n    second()\n    ~~~~~~^^\n'
            "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
            'Traceback (most recent call last):\n  File "/srv/shop.py", line 5, in first\n    raise ValueError(text)\n'
            "ValueError: two\nlines"
        )
        failed = JobFailed("ada", found, "1 failure", "ValueError: two\nlines", trace)

        app.lifecycle.notify(failed)

        [event] = sentry.of("event")
        first, second = event["exception"]["values"]
        assert (first["type"], first["value"]) == ("KeyError", "'a'")
        assert (second["type"], second["value"]) == ("ValueError", "two\nlines")
        [frame] = second["stacktrace"]["frames"]
        assert (frame["filename"], frame["lineno"], frame["function"]) == ("/srv/shop.py", 5, "first")


class TestOurOwnLog:
    def test_of_failures_makes_no_second_event_and_other_lines_do(self, app, sentry):
        breaks_async.delay()
        work_off()

        app.lifecycle.notify(DatabaseAway("ada", "reserving", "no answer"))

        assert [event.get("logger") for event in sentry.of("event")] == [None, "mongojobs"]


class TestAWorker:
    def test_sends_the_rest_before_it_ends(self, app, sentry):
        mongojobs.Worker(exit_on_complete=True).start()

        assert 0 < sentry.flushed_within <= 2

    def test_sends_it_in_what_is_left_of_the_time_of_its_stop(self, app, sentry):
        app.lifecycle.notify(WorkerStopping("ada", (), -2.5))  # so many seconds ago its jobs were to have ended

        app.lifecycle.run("execute", None, body=lambda: None)

        assert 0 < sentry.flushed_within <= 0.4


class TestAChild:
    def test_makes_the_transaction_of_the_run(self, app, sentry):
        sent = looks.delay()

        app.lifecycle.run("invoke_job", sent, body=lambda: sentry_sdk.start_span(op="db", name="inside").finish())

        [run] = sentry.of("transaction")
        assert run["contexts"]["trace"]["op"] == "queue.process"
        assert data_of(run)["messaging.message.receive.latency"] >= 0
        assert [span["description"] for span in run["spans"]] == ["inside"]

    TRACE = "771a43a4192642f0b136d5159a501700"

    @pytest.mark.slow
    def test_has_the_span_of_its_run_and_the_worker_the_one_event(self, app, mongo_uri, tmp_path):
        ledger = tmp_path / "sent"
        environ = {
            "MONGOJOBS_APP": "tests.support.sentry_app",
            "MONGOJOBS_URI": mongo_uri,
            "SENTRY_LEDGER": str(ledger),
        }
        trace = {"sentry-trace": f"{self.TRACE}-a1b2c3d4e5f60718-1"}
        sentry_app.breaks.options(meta={"sentry": trace}).delay("c4n4ry")

        worked = run("workoff", "--executor", "process", environ=environ)

        assert worked.returncode == 0, worked.stderr
        sent = {one["type"]: one for one in map(json.loads, ledger.read_text().splitlines())}
        assert sent.keys() == {"transaction", "event"}
        child, worker = sent["transaction"], sent["event"]
        assert child["pid"] != worker["pid"]
        assert {one["contexts"]["trace"]["trace_id"] for one in (child, worker)} == {self.TRACE}
        assert (child["contexts"]["trace"]["op"], child["contexts"]["trace"]["status"]) == (
            "queue.process",
            "internal_error",
        )
        assert [span["description"] for span in child["spans"]] == ["inside"]
        assert worker["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "breaks"
        assert worker["tags"]["job"] == child["tags"]["job"] == "tests.support.sentry_app.breaks"
        assert worker["tags"]["worker"] == child["tags"]["worker"]
        assert "c4n4ry" not in ledger.read_text()


class TestSchedules:
    @pytest.fixture
    def app(self, configure):
        app = configure(schedules=True)
        app.schedule("books.Close", looks, cron="0 2 * * *", tz="Europe/Athens")
        app.schedule("breaks", breaks_async, every="15m")
        return app

    def test_check_in_at_the_beginning_and_the_end_of_a_job(self, app, sentry):
        app.schedule_of("books.Close").run_now()
        work_off()

        first, last = sentry.of("check_in")
        assert (first["monitor_slug"], first["status"], last["status"]) == ("books-close", "in_progress", "ok")
        assert first["check_in_id"] == last["check_in_id"]
        assert last["duration"] >= 0
        assert first["monitor_config"] == {
            "schedule": {"type": "crontab", "value": "0 2 * * *"},
            "timezone": "Europe/Athens",
        }

    def test_tell_of_a_job_that_is_given_up_on(self, app, sentry):
        app.schedule_of("breaks").run_now()
        work_off()

        assert [one["status"] for one in sentry.of("check_in")] == ["in_progress", "error"]
        assert sentry.of("check_in")[0]["monitor_config"]["schedule"] == {
            "type": "interval",
            "value": 15,
            "unit": "minute",
        }

    def test_have_no_monitors_unless_asked_for(self, configure, sentry):
        app = configure()
        app.schedule("breaks", breaks_async, every="15m")
        app.schedule_of("breaks").run_now()
        work_off()

        assert sentry.of("check_in") == []

    def test_leave_the_trace_of_the_worker_to_itself(self, app, sentry):
        app.schedule_of("breaks").run_now()

        [stored] = app.find().jobs
        assert stored.meta is None

    @pytest.mark.parametrize(
        ("due", "schedule"),
        [
            (timedelta(days=14), {"type": "interval", "value": 2, "unit": "week"}),
            (timedelta(hours=36), {"type": "interval", "value": 36, "unit": "hour"}),
            ("@daily", {"type": "crontab", "value": "@daily"}),
        ],
    )
    def test_are_said_in_sentrys_words(self, due, schedule):
        assert monitor_of(due, "UTC") == {"schedule": schedule, "timezone": "UTC"}

    @pytest.mark.parametrize("due", [timedelta(seconds=30), "*/5 0 2 * * *"])
    def test_by_seconds_have_no_monitor(self, due):
        assert monitor_of(due, "UTC") is None

    def test_have_slugs_that_sentry_takes(self):
        assert slug_of("Close the Books!") == "close-the-books"
        assert slug_of("a" * 60) != slug_of("a" * 61)
        assert len(slug_of("a" * 60)) == 50
        assert slug_of("ωρα")


class TestTheDoctor:
    def told(self, app):
        return [(one.text, one.remedy) for one in examine(app, {}).findings if one.kind == "plugin"]

    def test_finds_nothing_where_all_is_well(self, app, sentry):
        assert self.told(app) == []

    def test_finds_an_sdk_that_was_not_started(self, app):
        [(text, remedy)] = self.told(app)

        assert text == "SentryPlugin: sentry_sdk.init was not called, so nothing is sent"
        assert "the module that configures mongojobs" in remedy

    def test_finds_an_sdk_that_does_not_know_where_to_send(self, app, start, monkeypatch):
        monkeypatch.delenv("SENTRY_DSN", raising=False)
        start(dsn=None)

        [(text, remedy)] = self.told(app)
        assert text == "SentryPlugin: the SDK has no DSN, so nothing is sent"
        assert "SENTRY_DSN" in remedy


class TestWithoutTheExtra:
    def test_the_error_names_the_command_that_installs_it(self):
        code = (
            "import sys; sys.modules['sentry_sdk'] = None\n"
            "import mongojobs\n"
            "try:\n"
            "    import mongojobs.plugins.sentry\n"
            "except mongojobs.ExtraMissingError as error:\n"
            "    print(error)\n"
        )

        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

        assert told.stdout == 'SentryPlugin needs an optional package: pip install "mongojobs[sentry]"\n'
