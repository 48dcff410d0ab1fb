"""The reloader with children that are plain Python programs: no app, no database, and no files watched."""

import os
import sys
import threading
from signal import Signals

import pytest

from mongojobs.process.reloader import Reloader
from mongojobs.process.supervisor import ChildCommand

NOTE = "import os, signal, sys, threading\n"
TELL = "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
LET_IN = "signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())\n"
STAY = f"{NOTE}signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n{LET_IN}{TELL}threading.Event().wait(60)\n"
FAIL_FIRST = f"{NOTE}{TELL}open(sys.argv[1]).read().count('\\n') > 1 or sys.exit(3)\n{STAY}"
END = f"{NOTE}{TELL}"
STUBBORN = (
    f"{NOTE}signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1], 'a').write('asked\\n'))\n"
    f"signal.signal(signal.SIGQUIT, lambda *_: sys.exit(0))\n{LET_IN}{TELL}"
    "while True: threading.Event().wait(0.05)\n"
)
PAUSE = threading.Event()
NOTHING = frozenset[str]()
CHANGE = frozenset({"shop.py"})


@pytest.fixture
def notes(tmp_path):
    """Where each child writes its process id."""
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def lines(notes):
    """Says whether so many lines have been written."""
    return lambda number: lambda: len(notes.read_text().splitlines()) >= number


@pytest.fixture
def run(notes):
    """Runs a program under a reloader that sees what *changes* gives."""

    def run(program, changes):
        return Reloader(
            ChildCommand([sys.executable, "-S", "-c", program, str(notes)], dict(os.environ)), changes
        ).run()

    return run


def send(number):
    os.kill(os.getpid(), number)
    return NOTHING


def looks(*steps):
    """Give what each step says once its time has come, and nothing until then, and nothing for ever after."""
    for is_time, step in [*steps, (lambda: False, None)]:
        while not is_time():
            PAUSE.wait(0.01)
            yield NOTHING
        yield step()


def test_a_change_starts_the_command_anew(run, notes, lines):
    status = run(STAY, looks((lines(1), lambda: CHANGE), (lines(2), lambda: send(Signals.SIGTERM))))

    first, second = notes.read_text().splitlines()
    assert first != second
    assert status == 0


def test_a_command_that_fails_is_started_again_after_a_change(run, lines, caplog):
    def failed():
        return "Status 3: waiting for a file to change" in caplog.text

    status = run(FAIL_FIRST, looks((failed, lambda: CHANGE), (lines(3), lambda: send(Signals.SIGTERM))))

    assert status == 0


def test_a_command_with_nothing_more_to_do_ends_all(run, notes):
    assert run(END, looks()) == 0
    assert len(notes.read_text().splitlines()) == 1


def test_a_second_interrupt_stops_what_the_first_one_only_asked(run, notes, lines):
    status = run(STUBBORN, looks((lines(1), lambda: send(Signals.SIGINT)), (lines(2), lambda: send(Signals.SIGINT))))

    assert notes.read_text().splitlines()[1:] == ["asked"]
    assert status == 0
