"""``scripts/demo``: the story to its end, and the dashboard after it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.support import web
from tests.support.command_line import ROOT, clean_environ

ADDRESS = re.compile(r"Dashboard: (http://127\.0\.0\.1:\d+/)")


@pytest.fixture
def demo(mongo_uri):
    """The demo with the dashboard at its end, in its own process group."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "docs/examples/groups/demo.py", "--web"],
        env=clean_environ({"MONGODB_URI": mongo_uri}) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def address_of(demo):
    """Read until the dashboard says where it is."""
    return next(found[1] for line in demo.stdout if (found := ADDRESS.search(line)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_with_the_dashboard_open_on_its_jobs_until_it_is_stopped(demo, number):
    address = address_of(demo)
    page = web.get(f"{address}jobs").text
    demo.send_signal(number)
    rest = demo.stdout.read()

    assert "send_to_nowhere" in page
    assert "Group#update_users" in page
    assert demo.wait(timeout=30) == 0
    assert "Stopped." in rest
    assert web.status(address) is None
