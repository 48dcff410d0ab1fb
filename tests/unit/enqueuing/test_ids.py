"""The ids of jobs: never repeated, and in ascending order."""

import subprocess
import sys
from datetime import timedelta

import pytest

from mongojobs.enqueuing.ids import JobIds
from tests.support.clock import START
from tests.support.command_line import ROOT

IN_THREE_PROCESSES = """
import ctypes, os
from datetime import UTC, datetime
from mongojobs.enqueuing.ids import job_ids

job_ids.take(1, datetime.now(UTC))
child = os.fork()
untold = ctypes.PyDLL(None).fork() if child else None
os.write(1, job_ids.take(1, datetime.now(UTC))[0].binary[4:9].hex().encode() + b"\\n")
if child and untold:
    os.waitpid(child, 0)
    os.waitpid(untold, 0)
os._exit(0)
"""
"""One is forked as Python does it, one as uWSGI does, behind its back."""


class TestIds:
    def test_are_in_the_order_in_which_they_were_taken(self):
        ids = JobIds()

        taken = [*ids.take(3, START), *ids.take(1, START), *ids.take(2, START + timedelta(seconds=1))]

        assert taken == sorted(set(taken))

    def test_tell_when_they_were_made(self):
        [made] = JobIds().take(1, START)

        assert made.generation_time == START

    def test_go_on_after_the_last_number(self):
        ids = JobIds(first=2**24 - 1)

        assert [made.binary[-3:] for made in ids.take(2, START)] == [b"\xff\xff\xff", b"\0\0\0"]

    @pytest.mark.parametrize("years", [-100, 200])
    def test_are_made_in_years_that_they_cannot_tell(self, years):
        assert JobIds().take(1, START.replace(year=START.year + years))

    def test_of_two_generators_differ(self):
        assert JobIds().take(1, START)[0].binary[4:9] != JobIds().take(1, START)[0].binary[4:9]

    def test_of_a_fork_are_its_own_even_if_python_was_not_told_of_it(self):
        ended = subprocess.run(
            [sys.executable, "-c", IN_THREE_PROCESSES], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert len(set(ended.stdout.split())) == 3
