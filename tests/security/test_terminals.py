"""No text from a stranger controls the terminal of a person who looks at jobs, or forges a line there (S13)."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from mongojobs.store.workers import RunningJob, WorkerStatus, WorkerStore
from tests.support import secretive_jobs
from tests.support.command_here import run_here
from tests.support.jobs import HANDLER, a_job
from tests.support.working import work_off

HOSTILE = "a\x1b[2J\x9b1mb\x07\u202egpj\u2066\x7f\x00\r\nJob 7 is done\u2028\x85c"
ID = ObjectId("65" * 12)
COMMANDS = [
    *("jobs list", f"jobs show {ID}", f"jobs why {ID}", f"jobs delete {ID} --yes", f"jobs retry {ID}"),
    *("jobs retry --all --yes", "queues list", "queues pause x", "workers list", "status", "top --once", "doctor"),
    *("latency", "check", "explain", "config", "jobs why no", "jobs list --after no", "workers show no"),
]
IN_JSON = [f"{command} --json" for command in [*COMMANDS[:3], *COMMANDS[6:7], *COMMANDS[8:12]]]


@pytest.fixture
def hostile_store(app):
    """A store in which every text that others have written is hostile."""
    now = datetime.now(UTC).replace(microsecond=0)
    fields = {"name": HOSTILE, "queue": HOSTILE, "locked_by": HOSTILE, "tags": (HOSTILE,), "meta": {"x": HOSTILE}}
    handler = HANDLER | {"target": HOSTILE, "args": [HOSTILE], "kwargs": {"x": HOSTILE}}
    error = {"at": now, "attempt": 1, "error": HOSTILE, "trace": f"{HOSTILE}\n{HOSTILE}", "worker": HOSTILE}
    ended = {"finished_at": now, "failed_at": now, "last_error": f"E: {HOSTILE}\n{HOSTILE}", "errors": (error,)}
    app.store.insert(a_job(id=ID, state="failed", handler=handler, **fields, **ended))
    app.store.insert(a_job(**fields, handler=handler, run_at=now))
    app.store.insert(a_job(id=HOSTILE, **fields, handler=handler, run_at=now))
    running = RunningJob(id=HOSTILE, name=HOSTILE, queue=HOSTILE, since=now)
    worker = {"host": HOSTILE, "pid": 1, "version": HOSTILE, "queues": (HOSTILE,), "threads": 1, "busy": 1}
    WorkerStore(app.store.collection, app.store.clock, app.settings).beat(
        WorkerStatus(name=HOSTILE, started_at=now, running=(running,), **worker)
    )
    pauses = app.store.collection.database["delayed_jobs_queues"]
    pauses.insert_one({"_id": HOSTILE, "paused": True, "since": now, "reason": HOSTILE})
    return app


class TestACommand:
    @pytest.mark.parametrize("command", [*COMMANDS, *IN_JSON])
    def test_shows_nothing_that_commands_a_terminal_or_forges_a_line(self, hostile_store, command):
        shown = run_here(*command.split())

        assert shown.output
        assert [line for line in shown.output.split("\n") if not line.isprintable()] == []
        assert "\nJob 7" not in shown.output.replace("\n    Job 7", "")

    def test_says_no_more_of_what_a_job_raised(self, app):
        job = secretive_jobs.says.delay(HOSTILE)

        shown = run_here("jobs", "run", str(job.id))

        assert [line for line in shown.output.split("\n") if not line.isprintable()] == []


class TestALog:
    def test_of_a_worker_with_an_odd_name_is_printable(self, app, caplog):
        secretive_jobs.says.delay(HOSTILE)

        work_off(prefix=HOSTILE)

        assert caplog.messages
        assert [message for message in caplog.messages if not message.isprintable()] == []
