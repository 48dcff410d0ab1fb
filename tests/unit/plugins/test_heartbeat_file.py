"""The file by which a worker shows that its loop is running."""

import json
import stat
import time

import pytest

from mongojobs.plugins.heartbeat_file import HeartbeatFile, ages_in, part_of
from tests.support.waiting import LONG


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alive"


class TestHeartbeatFile:
    def test_says_how_long_ago_the_loop_turned(self, path):
        HeartbeatFile(path).beat()

        [age] = ages_in(path)

        assert 0 <= age < LONG

    def test_is_written_once_a_second_however_often_the_loop_turns(self, path):
        file = HeartbeatFile(path)
        file.beat()
        first = path.read_text()

        file.beat()

        assert path.read_text() == first

    def test_leaves_no_other_file_behind(self, path):
        HeartbeatFile(path).beat()

        assert list(path.parent.iterdir()) == [path]

    def test_can_be_read_by_others_and_written_by_nobody_else(self, path):
        HeartbeatFile(path).beat()

        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_takes_the_place_of_a_link_and_leaves_alone_what_that_points_to(self, path, tmp_path):
        precious = tmp_path / "precious"
        precious.write_text("precious")
        path.symlink_to(precious)

        HeartbeatFile(path).beat()

        assert precious.read_text() == "precious"
        assert not path.is_symlink()

    def test_that_cannot_be_written_is_reported_once_and_stops_nobody(self, tmp_path, caplog, monkeypatch):
        monkeypatch.setattr("mongojobs.plugins.heartbeat_file.SHORTEST_SECONDS", 0)
        file = HeartbeatFile(tmp_path / "no folder" / "alive")

        file.beat()
        file.beat()

        [record] = caplog.records
        assert "no folder/alive" in record.getMessage()

    def test_is_gone_after_its_worker(self, path):
        with HeartbeatFile(path) as file:
            file.beat()
            assert path.exists()

        assert not path.exists()

    def test_may_be_gone_already(self, path):
        with HeartbeatFile(path):
            pass

        assert not path.exists()


class TestAges:
    @pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"turned_at_monotonic_seconds": "now"}', "\0"])
    def test_of_what_is_not_a_heartbeat_are_unknown(self, path, text):
        path.write_text(text)

        assert ages_in(path) == [None]

    def test_of_no_file_are_unknown(self, path):
        assert ages_in(path) == [None]

    def test_from_before_the_last_boot_are_unknown(self, path):
        path.write_text(json.dumps({"turned_at_monotonic_seconds": time.monotonic() + 3600}))

        assert ages_in(path) == [None]

    def test_of_a_supervisor_are_those_of_its_processes(self, path):
        HeartbeatFile(path).refer_to(2)
        HeartbeatFile(part_of(path, 1)).beat()

        missing, present = ages_in(path)

        assert missing is None
        assert present < LONG
