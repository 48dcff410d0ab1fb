"""What `scripts/bench --peers` makes of its measurements; the peers themselves are in no test."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as bench
from tests.bench.figures import gathered, keep, saved
from tests.bench.peers import measuring
from tests.bench.peers.environment import Installed
from tests.bench.peers.measuring import compared
from tests.bench.peers.moments import NOTES, cpu_microseconds, latencies, rate
from tests.bench.peers.peers import PEERS, is_of_peer, table
from tests.bench.peers.servers import MissingError, server
from tests.support.command_line import ROOT, clean_environ


class TestTheMomentsOfWorkers:
    def test_give_the_jobs_a_second_while_all_of_them_worked(self):
        early = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (2.0, 0.0, 0.0), (3.0, 0.0, 0.0)]
        late = [(1.0, 0.0, 0.0), (1.5, 0.0, 0.0), (9.0, 0.0, 0.0)]

        assert rate([early]) == 1
        assert rate([early, late, []]) == 3 / 2

    def test_give_the_processor_time_of_a_job(self):
        assert cpu_microseconds([(0.0, 0.5, 0.0), (1.0, 0.6, 0.0), (2.0, 0.7, 0.0)]) == pytest.approx(100_000)

    def test_give_the_waits_of_those_that_know_when_they_were_enqueued(self):
        assert latencies([(5.0, 0.0, 0.0), (6.002, 0.0, 6.0), (7.004, 0.0, 7.0)]) == pytest.approx((3, 3.9))

    def test_are_written_once_nothing_comes_any_more(self, tmp_path):
        notes = tmp_path / "notes.json"
        script = "import threading; from tests.bench.peers.moments import note; note(7.0); threading.Event().wait(30)"

        command = [sys.executable, "-c", script]
        ended = subprocess.run(command, cwd=ROOT, env=clean_environ({NOTES: str(notes)}), check=False)

        assert ended.returncode == 0
        assert [sent for _, _, sent in json.loads(notes.read_text())] == [7.0]


class TestTheTableOfPeers:
    def test_has_the_medians_with_versions_and_durability(self):
        runs = [{"PgQueuer: 1 process": 7000.0}, {"PgQueuer: 1 process": 9000.0, "PgQueuer: p50": 4.8}]

        lines = table(gathered(runs, {})).splitlines()

        assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
        assert lines[2].startswith("| PgQueuer | 8,000 |  |  |  |  | 4.8 |  | pgqueuer[asyncpg] ")
        assert lines[2].endswith(" | synchronous_commit = on |")
        assert len(lines) == 3

    def test_is_left_out_where_no_peer_was_measured(self):
        assert table(gathered([{"drain / naive loop": 12.0}], {})) == ""

    def test_has_no_measure_of_the_other_table(self):
        assert is_of_peer("Huey, durable: cpu")
        assert not is_of_peer("drain / PgQueuer in batches of 100, 1 process")

    def test_compares_our_drain_with_the_peer_that_has_batches(self):
        medians = {"mongojobs: 1 process": 9000.0, "PgQueuer: 1 process": 6000.0, "PgQueuer: 2 processes": 9000.0}

        assert compared(medians) == {"drain / PgQueuer in batches of 100, 1 process": 1.5}


class TestARunOfAllPeers:
    """Where three turns are measured of one peer, and each gives how often it was measured."""

    @pytest.fixture(autouse=True)
    def _measured(self, monkeypatch):
        self.measured = itertools.count(1)
        installed = [Installed(one, Path(), "") for one in PEERS if one.name == "PgQueuer"]
        monkeypatch.setattr(measuring, "_available", lambda _stack, _names: installed)
        monkeypatch.setattr(measuring, "_measured", lambda _peer, _ground: {"cpu": float(next(self.measured))})

    @pytest.fixture
    def turns_of(self):
        ground = SimpleNamespace(turns=range)
        return lambda file: (found["PgQueuer: cpu"] for found in bench._measured_peers(ground, (), 1, file))

    def test_keeps_each_turn_once_it_is_measured(self, turns_of, tmp_path):
        turns = turns_of(tmp_path / "figures.jsonl")

        assert [next(turns), len(saved(tmp_path / "figures.jsonl"))] == [1, 1]

    def test_that_was_cut_goes_on_with_the_turns_that_are_missing(self, turns_of, tmp_path):
        keep({"drain / naive loop": 12.0}, tmp_path / "figures.jsonl")
        next(turns_of(tmp_path / "figures.jsonl"))

        found = [*turns_of(tmp_path / "figures.jsonl")]

        assert found == [1, 2, 3]
        assert [*turns_of(tmp_path / "figures.jsonl")] == found

    def test_measures_all_where_nothing_is_kept(self, turns_of):
        assert [*turns_of(None)] == [1, 2, 3]


class TestAServerThatIsNotInstalled:
    @pytest.mark.parametrize(("name", "package"), [("postgresql", "postgresql"), ("redis-durable", "redis-server")])
    def test_is_named_with_the_command_that_installs_it(self, monkeypatch, tmp_path, name, package):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("tests.bench.peers.servers._DEBIAN_POSTGRESQL", tmp_path)

        with pytest.raises(MissingError, match=f"apt-get install {package}$"), server(name):
            pass


class TestThePeers:
    def test_say_exactly_which_version_was_measured(self):
        assert {one.partition("==")[1] for peer in PEERS for one in peer.requirements} == {"=="}
