import io
import json
import logging

import pytest

from mongojobs.core import notices as n
from mongojobs.core.job import running
from mongojobs.plugins.formats import formatter
from mongojobs.plugins.log import JobContext, log
from tests.support.jobs import a_job

JOB = a_job(name="app.send", queue="mail", handler={"args": ["secret-argument"]}, attempts=2)
ABOUT = f"[Worker(w1)] Job app.send (id={JOB.id}) (queue=mail)"


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
            (n.WorkerWorn("w1", "too old"), "INFO", "[Worker(w1)] Leaving once the running jobs have ended: too old"),
            (n.ChildReplaced("w1", 7, "too old"), "INFO", "[Worker(w1)] Replacing the child process 7: too old"),
            (n.NoMoreJobs("w1"), "INFO", "[Worker(w1)] No more jobs available. Exiting"),
            (n.BatchDone("w1", 3, 1, 1.5), "INFO", "[Worker(w1)] 3 jobs processed at 2.0000 j/s, 1 failed"),
            (n.JobsReserved("w1", 3, 0.00125), "DEBUG", "[Worker(w1)] reserved 3 job(s) in 0.0013"),
            (n.ReserveFailed("w1", "unreachable"), "DEBUG", "[Worker(w1)] could not reserve: unreachable"),
            (n.JobStarted("w1", JOB, 0.5), "INFO", f"{ABOUT} RUNNING"),
            (n.JobCompleted("w1", JOB, 0.12345), "INFO", f"{ABOUT} COMPLETED after 0.1235"),
            (n.JobErrored("w1", JOB, 1, "E: no"), "WARNING", f"{ABOUT} FAILED (2 prior attempts) with E: no"),
            (n.JobFailed("w1", JOB, "3 consecutive failures"), "ERROR", "FAILED permanently because of 3 consecutive"),
            (n.JobCrashed("w1", JOB, 1, "killed by SIGSEGV"), "ERROR", f"{ABOUT} CRASHED, loss 1: killed by SIGSEGV"),
            (n.JobLost("w1", JOB, "its lock"), "WARNING", f"{ABOUT} is not ours any more: its lock was dropped"),
            (n.JobReleased("w1", JOB), "WARNING", f"{ABOUT} HANDED BACK because the worker stops"),
            (n.JobSnoozed("w1", JOB, 1, 60), "DEBUG", f"{ABOUT} SNOOZED for 60 s"),
            (
                n.JobDeferred("w1", JOB, 5, "E: no"),
                "INFO",
                f"{ABOUT} DEFERRED for 5 s, as it cannot be loaded here: E: no",
            ),
            (
                n.JobRescued("w1", 7, "w0", 1, False),
                "WARNING",
                "Job (id=7) was lost by Worker(w0), loss 1: is ready again",
            ),
            (n.JobRescued("w1", 7, "w0", 5, True), "ERROR", "FAILED permanently because its worker was lost once too"),
            (n.DatabaseAway("w1", "reserving", "down"), "ERROR", "Error while reserving: down"),
        ],
    )
    def test_is_delayed_jobs_where_it_has_words(self, lines, notice, level, line):
        log(notice)

        record = lines.records[-1]
        assert record.levelname == level
        assert line in record.getMessage()

    def test_never_shows_arguments(self, lines):
        log(n.JobEnqueued(JOB))
        log(n.JobStarted("w1", JOB, 0))

        assert "secret-argument" not in str([vars(record) for record in lines.records])

    @pytest.mark.behaviour("S97")
    def test_level_is_configurable(self, caplog):
        caplog.set_level(logging.ERROR, logger="mongojobs")

        log(n.JobStarted("w1", JOB, 0))

        assert caplog.records == []

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


class TestJobContext:
    def test_marks_what_a_job_logs_itself(self):
        record = logging.makeLogRecord({"msg": "mine"})

        with running(JOB):
            JobContext().filter(record)

        assert (record.job_id, record.job) == (str(JOB.id), "app.send")

    def test_leaves_other_records_alone(self):
        record = logging.makeLogRecord({"msg": "mine"})

        JobContext().filter(record)

        assert not hasattr(record, "job_id")
