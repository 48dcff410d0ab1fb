"""The supervisor with children that are plain Python programs: no app, no database."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from signal import Signals

import pytest

from mongojobs.process import supervisor
from mongojobs.process.supervisor import ChildCommand, Supervisor
from tests.support.waiting import eventually

SECOND = timedelta(seconds=1)

NOTE = "import os, signal, sys, threading\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
LET_IN = "signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())\n"
STAY = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n{LET_IN}threading.Event().wait(60)\n"
STAY_WHATEVER_COMES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nthreading.Event().wait(60)\n"
SUCCEED_AT_THE_THIRD_START = "sys.exit(70 if open(sys.argv[1]).read().count('\\n') < 3 else 0)\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where each child writes its process id."""
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def child(notes: Path) -> Callable[[str], ChildCommand]:
    """Makes the command of a child that runs a program after noting that it started."""
    return lambda program: ChildCommand([sys.executable, "-c", NOTE + program, str(notes)], dict(os.environ))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before restarts and the time before a kill."""
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "KILL_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "_LONGEST_WAIT_SECONDS", 0.1)


@pytest.fixture
def after(notes: Path) -> Iterator[Callable[[int, Callable[[list[int]], None]], None]]:
    """Acts, in a thread beside the supervisor, once this many children have noted their start."""
    threads: list[threading.Thread] = []

    def started() -> list[int]:
        return [int(line) for line in notes.read_text().splitlines()]

    def after(starts: int, act: Callable[[list[int]], None]) -> None:
        def wait_and_act() -> None:
            eventually(lambda: len(started()) >= starts)
            act(started())

        threads.append(threading.Thread(target=wait_and_act))
        threads[-1].start()

    yield after
    for thread in threads:
        thread.join()


def signal_us(number: Signals) -> Callable[[list[int]], None]:
    return lambda _pids: os.kill(os.getpid(), number)


def run(
    *commands: ChildCommand,
    timeout: timedelta = SECOND,
    final: frozenset[int] = frozenset(),
    boot: timedelta = 60 * SECOND,
) -> int:
    return Supervisor(commands, shutdown_timeout=timeout, boot_timeout=boot, final_statuses=final).run()


class TestSupervisor:
    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT])
    def test_stops_its_children_and_leaves_with_status_0(self, child, after, number):
        after(2, signal_us(number))

        assert run(child(STAY), child(STAY)) == 0

    def test_starts_a_child_again_that_was_killed(self, child, after, notes, impatient):
        after(1, lambda pids: os.kill(pids[0], Signals.SIGKILL))
        after(2, signal_us(Signals.SIGTERM))

        assert run(child(STAY)) == 0
        assert len(set(notes.read_text().split())) == 2

    def test_starts_a_child_again_until_its_work_is_done(self, child, notes, impatient):
        assert run(child(SUCCEED_AT_THE_THIRD_START), final=frozenset({0})) == 0
        assert len(notes.read_text().split()) == 3

    def test_ends_with_the_worst_of_the_final_statuses(self, child):
        assert run(child("sys.exit(1)"), child("sys.exit(0)"), final=frozenset({0, 1})) == 1

    @pytest.mark.parametrize("status", [2, 3, 4, 5])
    def test_ends_all_with_one_that_is_set_up_wrongly(self, child, status):
        assert run(child(STAY), child(f"sys.exit({status})")) == status

    def test_kills_what_does_not_stop(self, child, after, notes, impatient):
        after(1, signal_us(Signals.SIGTERM))

        assert run(child(STAY_WHATEVER_COMES), timeout=timedelta(0)) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(notes.read_text()), 0)

    def test_tells_its_children_who_it_is_and_keeps_interrupts_from_them(self, child, notes):
        program = (
            "assert os.environ['MONGOJOBS_SUPERVISED'] == str(os.getppid())\n"
            "assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        )

        assert run(child(program), final=frozenset({0})) == 0
        assert len(notes.read_text().split()) == 1

    def test_stops_its_children_when_its_own_parent_is_gone(self, child, after, monkeypatch, caplog):
        after(2, lambda _pids: monkeypatch.setattr(os, "getppid", lambda: 1))
        commands, parent = [child(STAY), child(STAY)], os.getppid()

        assert Supervisor(commands, shutdown_timeout=SECOND, parent=parent).run() == 0
        assert "Its own parent is gone: stopping" in caplog.text

    def test_leaves_no_child_behind_when_it_fails_itself(self, child, notes, monkeypatch, impatient):
        def fail(_self: Supervisor) -> None:
            eventually(lambda: notes.read_text().count("\n"))
            raise RuntimeError("a bug")

        monkeypatch.setattr(Supervisor, "_bury", fail)

        with pytest.raises(RuntimeError, match="a bug"):
            run(child(STAY))
        with pytest.raises(ProcessLookupError):
            os.kill(int(notes.read_text()), 0)

    def test_kills_a_child_that_does_not_say_in_time_that_it_has_booted(self, child, after, notes, impatient, caplog):
        after(3, signal_us(Signals.SIGTERM))

        assert run(child(LET_IN + STAY_WHATEVER_COMES), boot=timedelta(seconds=0.1), timeout=timedelta(0)) == 0
        told = [record.message.partition(") ")[2] for record in caplog.records if "imported" in record.message]
        assert told[:2] == [
            "has not imported the app within 0.1s: killing it once it has written its stacks",
            "has not imported the app within 0.2s: killing it once it has written its stacks",
        ]

    def test_gives_a_child_twice_the_time_whose_predecessor_was_killed_for_it(self, child):
        one = supervisor._Child(0, child(STAY), timedelta(seconds=60))

        one.start()
        one.end_boot()
        one.kill()
        eventually(lambda: not one.is_booting())
        one.end()
        one.start()
        limit = one.boot_ends - time.monotonic()
        one.kill()

        assert limit > 60

    def test_leaves_a_child_alone_that_has_said_so(self, child):
        boots = "os.write(int(os.environ['MONGOJOBS_BOOT_DESCRIPTOR']), b'.')\n"
        one = supervisor._Child(0, child(boots + STAY))

        one.start()
        was_booting = one.is_booting()
        eventually(lambda: not one.is_booting())
        one.kill()

        assert was_booting

    def test_waits_longer_and_longer_before_it_starts_a_child_again(self, child):
        one = supervisor._Child(0, child(STAY))

        pauses = []
        for _ in range(7):
            one.start()
            one.kill()
            one.plan_restart()
            pauses.append(round(one.due - one._started_at))

        assert pauses == [0, 1, 2, 4, 8, 16, 30]

    def test_waits_for_a_second_at_most_for_one_that_leaves_of_its_own_will(self, child):
        one = supervisor._Child(0, child(STAY))
        one._pause = 16.0

        pauses = []
        for _ in range(3):
            one.start()
            one.kill()
            one.plan_restart(longest=1)
            pauses.append(round(one.due - one._started_at))

        assert pauses == [1, 1, 1]
