"""`mongojobs work --reload`: a worker that has the code of the moment."""

import sys
from signal import Signals

import pytest

from mongojobs.cli.work.reloading import changed_files
from tests.support.command_here import run_here
from tests.support.waiting import eventually

VERSION = "from mongojobs import job\nprint('version {}', flush=True)\n@job\ndef nothing(): pass\n"


def test_a_worker_starts_anew_when_its_code_changes_and_waits_where_that_is_broken(start, tmp_path, mongo_uri):
    code = tmp_path / "reloaded_app.py"
    code.write_text(VERSION.format(1))
    worker = start("work", "--reload", cwd=tmp_path, MONGOJOBS_APP="reloaded_app", MONGOJOBS_URI=mongo_uri)
    worker.says("version 1")

    code.write_text("this is no Python\n")
    worker.says("Starting anew, as reloaded_app.py has changed")
    worker.says("Status 3: waiting for a file to change")
    code.write_text(VERSION.format(2))
    worker.says("version 2")
    worker.send(Signals.SIGTERM)

    assert worker.wait() == 0
    assert "SyntaxError" in worker.errors


@pytest.mark.slow
@pytest.mark.parametrize("said", ["mongojobs.configure(processes=2)\n", ""], ids=["by the app", "by the command"])
def test_workers_of_a_reloader_that_is_killed_stop(start, tmp_path, mongo_uri, said):
    (tmp_path / "reloaded_app.py").write_text(f"import mongojobs\n{said}{VERSION.format(1)}")
    command = {"": ("--processes", "2")}.get(said, ())
    worker = start("work", "--reload", *command, cwd=tmp_path, MONGOJOBS_APP="reloaded_app", MONGOJOBS_URI=mongo_uri)
    worker.says("Starting job worker", times=2)

    worker.process.kill()

    eventually(lambda: worker.group() == [])
    assert "Its own parent is gone: stopping" in worker.output


def test_files_that_are_no_code_of_the_app_change_nothing(tmp_path):
    changes = changed_files(tmp_path)
    next(changes)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "library.py").write_text("x = 1")

    seen = next(changes) | next(changes)
    (tmp_path / "shop.py").write_text("x = 1")

    assert (seen, next(changes)) == (set(), {"shop.py"})


def test_without_watchfiles_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)

    refused = run_here("--app", "shop", "work", "--reload")

    assert refused.exit_code == 2
    assert 'Error: --reload needs an optional package: pip install "mongojobs[reload]"' in refused.stderr
