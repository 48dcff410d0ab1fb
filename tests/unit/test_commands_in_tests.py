"""The processes that tests start."""

import os

from tests.support.command_line import Process


def test_a_process_leads_its_group_as_soon_as_it_is_started(tmp_path):
    for number in range(20):
        (folder := tmp_path / str(number)).mkdir()
        process = Process("completion", "bash", folder=folder, environ={})

        assert os.getpgid(process.pid) == process.pid
        process.end()
