"""Outputs that cannot be written, and apps that set up logging: the work goes on, and says what must be known."""

import json

import pytest

from tests.support import talking_app
from tests.support.command_line import run_redirected
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

in_both_modes = pytest.mark.parametrize("executor", ["thread", "process"])
CLOSED = "<&- >&- 2>&-"
ALL_AT_ONCE = [">/dev/full 2>&1", CLOSED]
REDIRECTIONS = [">/dev/full", "2>/dev/full", "<&-", ">&-", "2>&-", *ALL_AT_ONCE]
COMMANDS = [("status",), ("jobs", "list"), ("jobs", "list", "--json"), ("config",), ("--help",), ("work", "--help")]


OTHER_SILENCES = [how for how in talking_app.SILENCES if how != "disables all"]


@pytest.fixture
def worker_environ():
    return {"MONGOJOBS_APP": "tests.support.talking_app", "MONGOJOBS_SHUTDOWN_TIMEOUT": "1"}


@pytest.fixture
def environ(mongo_uri, worker_environ):
    return worker_environ | {"SAMPLE_URI": mongo_uri}


def is_done(ledger, word):
    return lambda: word in ledger.read_text()


class TestAnOutputThatCannotBeWritten:
    @pytest.mark.parametrize(
        ("redirection", "executor"),
        [
            *((redirection, "thread") for redirection in REDIRECTIONS),
            *((redirection, "process") for redirection in ALL_AT_ONCE),
            *(pytest.param(one, "process", marks=pytest.mark.slow) for one in REDIRECTIONS if one not in ALL_AT_ONCE),
        ],
    )
    def test_keeps_no_worker_from_its_jobs(self, app, ledger, environ, executor, redirection):
        talking_app.prints.delay(str(ledger))
        talking_app.fails.delay("it")

        ended = run_redirected(redirection, "workoff", "--executor", executor, environ=environ)

        assert ended.returncode == 0, ended.stderr
        assert "printed" in ledger.read_text()
        assert app.store.collection.distinct("last_error") != []
        assert "Error" not in ended.stderr

    @pytest.mark.parametrize("redirection", ALL_AT_ONCE)
    def test_keeps_no_supervisor_from_its_children(self, app, ledger, environ, redirection):
        talking_app.prints.delay(str(ledger))

        ended = run_redirected(redirection, "workoff", "--processes", "2", environ=environ)

        assert ended.returncode == 0
        assert "printed" in ledger.read_text()

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_ends_a_command_with_a_plain_message(self, app, environ, command):
        ended = run_redirected(">/dev/full", *command, environ=environ)

        assert ended.returncode == 1
        assert ended.stderr == "Error: cannot write to standard output: No space left on device\n"

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_that_is_closed_ends_no_command_with_an_error(self, app, environ, command):
        ended = run_redirected(CLOSED, *command, environ=environ)

        assert ended.returncode == 0

    def test_leaves_the_status_of_a_command_that_fails_as_it_is(self, environ):
        ended = run_redirected("2>/dev/full", "jobs", "show", "nothing", environ=environ)
        plain = run_redirected("", "jobs", "show", "nothing", environ=environ)

        assert ended.returncode == plain.returncode != 0

    def test_that_is_closed_is_not_taken_by_what_is_opened_next(self, app, ledger, environ, tmp_path):
        talking_app.prints.delay(str(ledger))
        log = tmp_path / "log"

        run_redirected(CLOSED, "--log-level", "debug", "workoff", "--log-dir", str(log), environ=environ)

        assert "snow" not in (log / "mongojobs.log").read_text()
        assert "COMPLETED" in (log / "mongojobs.log").read_text()


class TestAnOutputThatKnowsFewCharacters:
    @in_both_modes
    def test_keeps_no_job_from_printing(self, app, ledger, environ, executor):
        talking_app.prints.delay(str(ledger))

        latin = environ | {"PYTHONIOENCODING": "latin-1"}
        ended = run_redirected("", "workoff", "--executor", executor, environ=latin)

        assert ended.returncode == 0, ended.stderr
        assert r"snow \u2603 and \ud83d\ude00 7" in ended.stdout

    @pytest.mark.parametrize("encoding", ["latin-1", "ascii", "latin-1:strict"])
    def test_still_gets_json(self, app, environ, encoding):
        talking_app.fails.options(queue="snöw-☃😀").delay("it")

        ended = run_redirected("", "jobs", "list", "--json", environ=environ | {"PYTHONIOENCODING": encoding})

        assert json.loads(ended.stdout)["jobs"][0]["queue"] == "snöw-☃😀"

    def test_gets_tables_without_a_traceback(self, app, environ):
        talking_app.fails.options(queue="snöw-☃").delay("it")

        ended = run_redirected("", "jobs", "list", environ=environ | {"PYTHONIOENCODING": "ascii:strict"})

        assert (ended.returncode, ended.stderr) == (0, "")


class TestAnAppThatSetsUpLogging:
    @pytest.mark.parametrize(
        ("how", "executor"),
        [
            *((how, "thread") for how in talking_app.SILENCES),
            ("disables all", "process"),
            *(pytest.param(how, "process", marks=pytest.mark.slow) for how in OTHER_SILENCES),
        ],
    )
    def test_in_a_job_does_not_silence_the_failures_of_others(self, app, ledger, start, how, executor):
        worker = start("work", "--executor", executor)
        talking_app.silences.delay(str(ledger), how)
        eventually(is_done(ledger, "silenced"))

        talking_app.fails.delay("its last words")
        worker.says("FAILED")

        assert "its last words" in worker.output

    @pytest.mark.parametrize("how", talking_app.CONFIGURATIONS)
    def test_when_it_is_imported_does_not_silence_the_worker(self, app, environ, how):
        talking_app.fails.delay("its last words")

        ended = run_redirected("", "workoff", environ=environ | {"CONFIGURED": how})

        assert "FAILED" in ended.stdout
        assert ended.stdout.count("with ValueError: its last words") == 1

    def test_leaves_out_what_the_worker_was_told_to_leave_out(self, app, environ):
        talking_app.fails.delay("its last words")

        ended = run_redirected("", "--log-level", "error", "workoff", environ=environ)

        assert "FAILED permanently" in ended.stdout
        assert "prior attempt" not in ended.stdout

    def test_that_disables_loggers_when_it_is_imported_leaves_the_start_and_the_end_in_the_log(self, app, environ):
        ended = run_redirected("", "workoff", environ=environ | {"CONFIGURED": "disables"})

        assert "Starting job worker" in ended.stdout
        assert "No more jobs available" in ended.stdout
