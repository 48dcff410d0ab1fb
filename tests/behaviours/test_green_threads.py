"""Apps whose threads or sockets gevent or eventlet has patched: they can enqueue, but not run a worker."""

import subprocess
import sys

import pytest

from tests.support.command_line import clean_environ, run

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "gevent but for threads": "from gevent import monkey; monkey.patch_all(thread=False)",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
IMPORTED = "from mongojobs import Worker, job"
APP = "from tests.support.fault_app import *"
MAKES_WORKERS = """
try:
    Worker().start()
finally:
    Worker().work_off()
"""
"""Both errors are printed: that of the second call, and the first as its context."""


@pytest.fixture(params=PATCHES)
def patch(request):
    return PATCHES[request.param]


@pytest.fixture
def folder(tmp_path):
    """A folder for apps, with one that is patched before it imports mongojobs and one that is afterwards."""

    def write(patch):
        (tmp_path / "before.py").write_text(f"{patch}\n{IMPORTED}\n{APP}\n")
        (tmp_path / "after.py").write_text(f"{IMPORTED}\n{patch}\n{APP}\n")
        return tmp_path

    return write


class TestTheCommand:
    @pytest.mark.parametrize("app", ["before", "after"])
    def test_refuses_to_work_and_says_why_and_what_to_do(self, environ, folder, patch, app):
        ended = run("work", environ=environ | {"MONGOJOBS_APP": app}, cwd=folder(patch))

        assert ended.returncode == 3
        assert "of this process, and a worker needs real ones" in ended.stderr
        assert "Patch in a module that the web server loads and the worker does not" in ended.stderr
        assert "Exception ignored" not in ended.stderr

    @pytest.mark.parametrize("argument", ["--executor=process", "--processes=2"])
    def test_refuses_it_in_other_processes_too(self, environ, folder, argument):
        ended = run("work", argument, environ=environ | {"MONGOJOBS_APP": "after"}, cwd=folder(PATCHES["gevent"]))

        assert ended.returncode == 3
        assert "gevent has patched the threads" in ended.stderr

    @pytest.mark.parametrize("part", ["patch_queue()", "patch_subprocess()", "patch_os()"])
    def test_refuses_what_only_the_children_or_the_jobs_need(self, environ, folder, part):
        patched = folder(f"from gevent import monkey; monkey.{part}")

        ended = run("work", "--executor=process", environ=environ | {"MONGOJOBS_APP": "after"}, cwd=patched)

        assert ended.returncode == 3
        assert "gevent has patched the threads, sockets, queues or subprocesses" in ended.stderr


class TestAProgram:
    @pytest.mark.parametrize("module", ["before", "after"])
    def test_that_makes_a_worker_is_refused(self, environ, folder, patch, module):
        ended = python(f"from {module} import *\n{MAKES_WORKERS}", environ, folder(patch))

        assert ended.returncode == 1
        assert "ConfigurationError: " in ended.stderr
        assert ended.stderr.count("has patched the threads, sockets, queues or subprocesses of this process") == 2

    def test_that_enqueues_does_so(self, environ, folder, patch):
        ended = python("from before import *; print(takes_a_second.delay('').state)", environ, folder(patch))

        assert ended.stdout == "ready\n"


def python(code, environ, folder):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env=clean_environ(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
