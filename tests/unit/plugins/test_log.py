import dataclasses
import io
import json
import logging
import logging.handlers
import queue
from datetime import UTC, datetime
from typing import get_args

import pytest
from bson import ObjectId

from mongojobs.core import notices as n
from mongojobs.core.job import isolated
from mongojobs.plugins.formats import formatter
from mongojobs.plugins.log import EVENTS, JobContext, log
from tests.support.jobs import a_job

JOB = a_job(
    id=ObjectId("65a1b2c3d4e5f60718293a4b"),
    name="app.send",
    queue="mail",
    handler={"args": ["secret-argument"]},
    attempts=2,
)
CANCELLED = dataclasses.replace(JOB, cancellation={"by": "ann", "why": "wrong file"})
ABOUT = f"[Worker(w1)] Job app.send (id={JOB.id}) (queue=mail)"


TRACE = 'Traceback (most recent call last):\n  File "shop.py", line 7, in send\nValueError: no\n'


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG, logger="mongojobs")
    return caplog


class TestWording:
    @pytest.mark.behaviour("S95", "S96", "S104", "S106")
    @pytest.mark.parametrize(
        ("notice", "level", "line"),
        [
            (n.WorkerStarted("w1", "queues=all"), "INFO", "[Worker(w1)] Starting job worker: queues=all"),
            (n.WorkerStopping("w1"), "INFO", "[Worker(w1)] Exiting..."),
            (
                n.WorkerStopping("w1", ("Job a", "Job b", "Job c", "Job d"), 25.0),
                "INFO",
                "[Worker(w1)] Exiting... Waiting at most 25 s for 4 running jobs: Job a, Job b, Job c and 1 more",
            ),
            (
                n.WorkerRecycling("w1", "too old"),
                "INFO",
                "[Worker(w1)] Exiting once the running jobs have ended: too old",
            ),
            (n.ChildReplaced("w1", 7, "too old"), "INFO", "[Worker(w1)] Replacing the child process 7: too old"),
            (n.NoMoreJobs("w1"), "INFO", "[Worker(w1)] No more jobs available. Exiting"),
            (n.BatchDone("w1", 3, 1, 1.5), "INFO", "[Worker(w1)] 3 jobs processed at 2 jobs/s, 1 failed"),
            (n.BatchDone("w1", 1, 0, 0.75), "INFO", "[Worker(w1)] 1 job processed at 1.33 jobs/s, 0 failed"),
            (n.BatchDone("w1", 24_690, 0, 2.0), "INFO", "24,690 jobs processed at 12,345 jobs/s, 0 failed"),
            (
                n.WorkerTold("w1", "quiet"),
                "INFO",
                "[Worker(w1)] Told to by `mongojobs workers quiet`: reserving no more jobs",
            ),
            (n.WorkerStopped("w1", 1), "INFO", "[Worker(w1)] Stopped, 1 running job handed back"),
            (n.JobsReserved("w1", 1, 0.00125), "DEBUG", "[Worker(w1)] Reserved 1 job in 1.2 ms"),
            (n.ReserveFailed("w1", "unreachable"), "DEBUG", "[Worker(w1)] Could not reserve: unreachable"),
            (
                n.CallMerged(JOB, 7, "dropped"),
                "DEBUG",
                f"{ABOUT.partition('] ')[2]} was DROPPED, as the job 7 holds its unique key",
            ),
            (n.JobStarted("w1", JOB, 0.5), "INFO", f"{ABOUT} RUNNING"),
            (n.JobCompleted("w1", JOB, 0.12345), "INFO", f"{ABOUT} COMPLETED after 123 ms"),
            (n.JobCompleted("w1", JOB, 5.9), "INFO", f"{ABOUT} COMPLETED after 5.9 s"),
            (n.JobErrored("w1", JOB, 1, "E: no"), "WARNING", f"{ABOUT} FAILED (2 prior attempts) with E: no"),
            (
                n.JobErrored("w1", a_job(attempts=1), 1, "E: no", run_at=datetime(2026, 11, 27, 22, tzinfo=UTC)),
                "WARNING",
                "FAILED (1 prior attempt) with E: no; it will run again at 2026-11-27T22:00:00.000Z",
            ),
            (
                n.JobFailed("w1", JOB, "its payload cannot be loaded"),
                "ERROR",
                "FAILED permanently: its payload cannot be",
            ),
            (n.JobFailed("w1", JOB, "3 consecutive failures"), "ERROR", "FAILED permanently: 3 consecutive"),
            (
                n.JobCrashed("w1", JOB, 1, "killed by SIGSEGV"),
                "ERROR",
                f"{ABOUT} CRASHED, loss 1: killed by SIGSEGV; it",
            ),
            (n.JobLost("w1", JOB, "its lock"), "WARNING", f"{ABOUT} is no longer ours: its lock was dropped"),
            (n.JobReleased("w1", JOB), "WARNING", f"{ABOUT} HANDED BACK because the worker is stopping"),
            (n.JobSnoozed("w1", JOB, 1, 60), "DEBUG", f"{ABOUT} SNOOZED for 1 min"),
            (n.JobCancelling("w1", CANCELLED), "INFO", f"{ABOUT} is being CANCELLED by ann: wrong file"),
            (n.JobCancelled("w1", CANCELLED, 3.2), "INFO", f"{ABOUT} CANCELLED after 3.2 s by ann: wrong file"),
            (
                n.JobCancelled("w1", CANCELLED, 3.2, "ValueError: no"),
                "INFO",
                f"{ABOUT} CANCELLED after 3.2 s by ann: wrong file (ValueError: no)",
            ),
            (
                n.JobStuck("w1", CANCELLED),
                "ERROR",
                f"{ABOUT} did not return after it was cancelled: its process ends because of it",
            ),
            (
                n.JobRescued("w1", 7, "w2", 1, False, cancelled=True),
                "WARNING",
                "[Worker(w1)] Job (id=7) was lost by Worker(w2), loss 1: it is CANCELLED, as was asked for",
            ),
            (
                n.JobDeferred("w1", JOB, 5, "E: no"),
                "INFO",
                f"{ABOUT} DEFERRED for 5 s, as it cannot be loaded here: E: no",
            ),
            (
                n.JobRescued("w1", 7, "w0", 1, False),
                "WARNING",
                "Job (id=7) was lost by Worker(w0), loss 1: it is ready again",
            ),
            (n.JobRescued("w1", 7, "w0", 5, True), "ERROR", "FAILED permanently because its worker was lost once too"),
            (n.DatabaseAway("w1", "reserving", "down"), "ERROR", "Error while reserving: down"),
            (n.DatabaseBack("w1", 200), "INFO", "[Worker(w1)] The database answers again after 3 min 20 s"),
            (n.JobTimedOut("w1", JOB, 7500), "WARNING", f"{ABOUT} TIMED OUT after its limit of 2 h 5 min"),
            (
                n.JobBlocks("w1", JOB, 1.04),
                "WARNING",
                f"{ABOUT} has BLOCKED the event loop for 1.0 s: no other async job",
            ),
            (n.CallbackRaised("w1", None, "a hook", TRACE), "WARNING", "Error when running a hook: ValueError: no"),
        ],
    )
    def test_is_delayed_jobs_where_it_has_words(self, lines, notice, level, line):
        log(notice)

        record = lines.records[-1]
        assert record.levelname == level
        assert line in record.getMessage()

    def test_names_the_event_of_every_notice(self):
        assert set(EVENTS) == {*get_args(n.Notice)}

    def test_never_shows_arguments(self, lines):
        log(n.JobEnqueued(JOB))
        log(n.JobStarted("w1", JOB, 0))

        assert "secret-argument" not in str([vars(record) for record in lines.records])

    def test_of_a_failed_run_carries_its_traceback(self, lines):
        log(n.JobErrored("w1", JOB, 1, "ValueError: no", trace=TRACE))

        record = lines.records[-1]
        assert record.trace == TRACE.strip()
        assert logging.Formatter().format(record).splitlines()[1:] == [f"  {line}" for line in TRACE.splitlines()]

    def test_carries_no_traceback_where_nobody_wants_it(self, lines):
        log(n.JobErrored("w1", JOB, 1, "ValueError: no", trace=TRACE), has_trace=False)

        assert "Traceback" not in logging.Formatter().format(lines.records[-1])

    @pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\x9b2J", "\u202egpj.exe", "a\r\nb", "\u2028", "\0", "\x7f"])
    def test_commands_no_terminal_whatever_the_app_formats_it_with(self, lines, text):
        log(n.JobErrored(text, a_job(name=text, queue=text), 1, f"E: {text}", trace=f"E: {text}\n{text}"))

        formatted = logging.Formatter().format(lines.records[-1])
        assert all(line.isprintable() for line in formatted.split("\n"))

    @pytest.mark.behaviour("S97")
    def test_level_is_configurable(self, caplog):
        caplog.set_level(logging.ERROR, logger="mongojobs")

        log(n.JobStarted("w1", JOB, 0))

        assert caplog.records == []

    def test_of_a_cancelled_job_has_who_and_why_among_its_facts(self, lines):
        log(n.JobCancelled("w1", CANCELLED, 3.2))

        [record] = lines.records
        assert (record.cancelled_by, record.why, record.run_ms) == ("ann", "wrong file", 3200)

    def test_facts_are_fields_of_the_record(self, lines):
        log(n.JobStarted("w1", JOB, 0.25))

        record = lines.records[-1]
        assert (record.event, record.job_id, record.queue, record.attempts, record.worker, record.wait_ms) == (
            "job.started",
            str(JOB.id),
            "mail",
            2,
            "w1",
            250,
        )


class TestForms:
    @staticmethod
    def written(form, environ, message='said "hi"\nand more', **fields):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter(form, environ))
        handler.handle(logging.makeLogRecord({"msg": message, "levelname": "INFO", **fields}))
        return stream.getvalue()

    def test_text_has_a_time_but_not_under_dyno(self):
        assert self.written("text", {}, "hello").endswith("Z: hello\n")
        assert self.written("text", {"DYNO": "worker.1"}, "hello") == "hello\n"

    def test_logfmt_is_one_line_of_pairs(self):
        line = self.written("logfmt", {"DYNO": "worker.1"}, job_id="7")

        assert line == 'level=info message="said \\"hi\\"\\nand more" job_id=7\n'

    def test_json_is_one_object_a_line(self):
        facts = json.loads(self.written("json", {}, job_id="7"))

        assert facts["message"] == 'said "hi"\nand more'
        assert facts["job_id"] == "7"
        assert facts["level"] == "info"

    def test_auto_is_json_under_kubernetes(self):
        assert json.loads(self.written("auto", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}))

    def test_long_texts_are_cut_before_a_platform_cuts_the_line(self):
        assert len(self.written("json", {}, "x" * 100_000)) < 8000

    ODD = ["a\nb", "\r", "\x1b[2J", "\x9b2J", "\x85", "\u202egpj.exe", "\u2028", "\0", "\x7f", "\ud800", "\u2066"]

    @pytest.mark.parametrize("form", ["text", "logfmt", "json"])
    @pytest.mark.parametrize("text", ODD)
    def test_is_one_line_that_commands_no_terminal(self, form, text):
        line = self.written(form, {}, text, **{"name": text, "job_id": text, f"key{text}": {text: [text]}})

        assert line[:-1].isprintable()
        assert line.endswith("\n")

    @pytest.mark.parametrize("text", ODD)
    def test_json_says_the_same_all_the_same(self, text):
        assert json.loads(self.written("json", {}, f"a {text} b", said=text))["said"] == text

    @pytest.mark.parametrize("form", ["text", "logfmt", "json"])
    def test_of_a_warning_ends_where_it_ends(self, form):
        assert "\\n" not in self.written(form, {}, "shop.py:7: UserWarning: careful\n")

    def test_text_has_tracebacks_and_stacks_on_indented_lines(self):
        written = self.written("text", {"DYNO": "w"}, "said", exc_info=an_error("no\x1b"), stack_info="Stack:\n  here")

        assert written.startswith("said\n  Traceback (most recent call last):\n    File ")
        assert written.endswith("\n  ValueError: no\\x1b\n  Stack:\n    here\n")

    def test_json_has_traceback_and_stack(self):
        facts = json.loads(self.written("json", {}, "said", exc_info=an_error("no"), stack_info="Stack:\n  here"))

        assert facts["traceback"].endswith("ValueError: no")
        assert facts["stack"] == "Stack:\n  here"

    def test_machines_get_the_trace_of_a_failed_job_and_people_get_it_once(self):
        fields = {"name": "mongojobs", "trace": TRACE.strip(), "exc_text": TRACE.strip()}

        assert json.loads(self.written("json", {}, "no", **fields))["trace"] == TRACE.strip()
        assert 'trace="Traceback (most' in self.written("logfmt", {}, "no", **fields)
        assert self.written("text", {}, "no", **fields).count("Traceback") == 1

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (float("nan"), "nan"),
            (float("-inf"), "-inf"),
            (10**30, "1" + 30 * "0"),
            ({(1, 2): {3: None}}, {"(1, 2)": {"3": None}}),
            ({1, 2}, [1, 2]),
            (b"raw", "b'raw'"),
            (datetime(2026, 11, 27, tzinfo=UTC), "2026-11-27 00:00:00+00:00"),
            (True, True),
        ],
        ids=repr,
    )
    def test_json_is_json_whatever_the_app_adds(self, value, shown):
        assert json.loads(self.written("json", {}, value=value), parse_constant=pytest.fail)["value"] == shown

    @pytest.mark.parametrize("form", ["text", "logfmt", "json"])
    @pytest.mark.parametrize("odd", ["circular", "unspeakable", "huge", "many", "deep", "quoted", "changing"])
    def test_loses_no_line_and_keeps_it_short(self, form, odd):
        line = self.written(form, {}, "the message", odd=ODD_THINGS[odd], **{odd: ODD_THINGS[odd]})

        assert "the message" in line
        assert len(line.encode()) < 9000

    def test_of_json_is_short_with_long_tracebacks_too_and_keeps_their_ends(self):
        traces = {"trace": f"{'é' * 30_000}end", "stack_info": "s" * 30_000, "exc_info": an_error("x" * 30_000)}

        line = self.written("json", {}, "no" * 5000, name="mongojobs", error="e" * 30_000, job_id="7", **traces)

        assert len(line.encode()) < 9000
        assert json.loads(line)["job_id"] == "7"
        assert json.loads(line)["trace"].endswith("end")

    @pytest.mark.parametrize("form", ["text", "logfmt", "json"])
    def test_loses_no_line_whose_arguments_do_not_fit(self, form):
        assert "%d apples" in self.written(form, {}, "%d apples", args=("two",))

    def test_keeps_its_own_facts_where_the_app_has_fields_of_the_same_name(self):
        facts = json.loads(self.written("json", {}, "said", time="never", level="cosy", trace="T", stack="S"))

        assert (facts["level"], facts["extra_level"], facts["extra_time"]) == ("info", "cosy", "never")
        assert (facts["trace"], facts["stack"]) == ("T", "S")


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class Changing(dict):
    def items(self):
        raise RuntimeError("dictionary changed size during iteration")


def a_circle():
    circle = {"list": []}
    circle["list"] += [circle, circle["list"]] * 50
    return circle


def a_shaft():
    shaft = []
    for _ in range(5000):
        shaft = [shaft]
    return shaft


ODD_THINGS = {
    "circular": a_circle(),
    "unspeakable": [Unspeakable(), {Unspeakable(): Unspeakable()}],
    "huge": 10**5000,
    "many": {f"key{number}": "é" * 1000 for number in range(10_000)},
    "deep": a_shaft(),
    "quoted": ['"'] * 10_000,
    "changing": Changing(a=1),
}


def an_error(text):
    """Return what ``sys.exc_info()`` gives for an error that says *text*."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return (type(error), error, error.__traceback__)


class TestJobContext:
    def test_marks_what_a_job_logs_itself(self):
        record = logging.makeLogRecord({"msg": "mine"})

        isolated(JOB, lambda: JobContext().filter(record))

        assert (record.job_id, record.job) == (str(JOB.id), "app.send")

    def test_marks_what_the_apps_own_handlers_write_elsewhere(self):
        records = queue.SimpleQueue()
        handler, logger = logging.handlers.QueueHandler(records), logging.getLogger("test_log.shop")
        handler.addFilter(JobContext())
        logger.addHandler(handler)

        isolated(JOB, lambda: logger.warning("mine"))

        assert records.get().job_id == str(JOB.id)

    @pytest.mark.parametrize("extra", [{"job_id": "theirs"}, {"job": "theirs"}])
    def test_leaves_the_fields_of_the_app_as_they_are(self, extra, caplog):
        caplog.handler.addFilter(JobContext())

        isolated(JOB, lambda: logging.getLogger("test_log.shop").warning("mine", extra=extra))

        assert extra.items() <= vars(caplog.records[0]).items()

    def test_leaves_other_records_alone(self):
        record = logging.makeLogRecord({"msg": "mine"})

        JobContext().filter(record)

        assert not hasattr(record, "job_id")
