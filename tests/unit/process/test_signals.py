import os
import signal
from collections.abc import Callable
from signal import Signals

import pytest

from mongojobs.process.signals import WORKER_SIGNALS, Mailbox, WorkerSignals, supervisor_of
from tests.support.waiting import eventually


class Told:
    """A worker that records what it is told."""

    def __init__(self) -> None:
        self.to: list[str] = []

    def stop(self, *, now: bool = False) -> None:
        self.to.append("stop now" if now else "stop")

    def quiet(self) -> None:
        self.to.append("quiet")


@pytest.fixture
def worker() -> Told:
    return Told()


def send(number: Signals, until: Callable[[], object]) -> None:
    os.kill(os.getpid(), number)
    eventually(until)


class TestWorkerSignals:
    @pytest.mark.parametrize(
        ("number", "told"),
        [
            (Signals.SIGTERM, "stop"),
            (Signals.SIGINT, "stop"),
            (Signals.SIGQUIT, "stop now"),
            (Signals.SIGTSTP, "quiet"),
            (Signals.SIGUSR1, "quiet"),
        ],
    )
    def test_tell_the_worker_what_to_do(self, worker, number, told):
        with WorkerSignals(worker):
            send(number, lambda: worker.to)

        assert worker.to == [told]

    def test_tell_by_a_second_interrupt_to_hurry(self, worker):
        with WorkerSignals(worker):
            send(Signals.SIGINT, lambda: len(worker.to) == 1)
            send(Signals.SIGINT, lambda: len(worker.to) == 2)

        assert worker.to == ["stop", "stop now"]

    def test_tell_by_no_number_of_terms_to_hurry(self, worker):
        with WorkerSignals(worker):
            send(Signals.SIGTERM, lambda: len(worker.to) == 1)
            send(Signals.SIGTERM, lambda: len(worker.to) == 2)

        assert worker.to == ["stop", "stop"]

    def test_ignore_the_interrupt_under_a_supervisor(self, worker):
        with WorkerSignals(worker, supervisor=os.getppid()):
            os.kill(os.getpid(), Signals.SIGINT)
            send(Signals.SIGUSR1, lambda: worker.to)

        assert worker.to == ["quiet"]

    def test_tell_the_worker_to_stop_when_its_supervisor_is_gone(self, worker):
        with WorkerSignals(worker, supervisor=2**22 + 1):
            eventually(lambda: worker.to)

        assert worker.to == ["stop"]

    def test_are_handled_on_after_a_plugin_raised(self, worker):
        def stop(*, now: bool = False) -> None:
            raise RuntimeError("a plugin")

        worker.stop = stop
        with WorkerSignals(worker):
            os.kill(os.getpid(), Signals.SIGTERM)
            send(Signals.SIGUSR1, lambda: worker.to)

        assert worker.to == ["quiet"]

    def test_leave_everything_as_it_was(self, worker):
        before, descriptor = [signal.getsignal(number) for number in WORKER_SIGNALS], signal.set_wakeup_fd(-1)

        with WorkerSignals(worker):
            pass

        assert [signal.getsignal(number) for number in WORKER_SIGNALS] == before
        assert signal.set_wakeup_fd(descriptor) == -1  # what a test before this one has left is none of its business


class TestMailbox:
    def test_returns_what_came_in_its_order(self):
        with Mailbox([Signals.SIGUSR1, Signals.SIGUSR2]) as mailbox:
            os.kill(os.getpid(), Signals.SIGUSR2)
            os.kill(os.getpid(), Signals.SIGUSR1)

            assert mailbox.receive(1) == [Signals.SIGUSR2, Signals.SIGUSR1]

    def test_returns_nothing_when_the_time_is_over(self):
        with Mailbox([Signals.SIGUSR1]) as mailbox:
            assert mailbox.receive(0.01) == []

    def test_lets_in_what_was_held_back(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [Signals.SIGUSR1])

        with Mailbox([Signals.SIGUSR1]):
            assert Signals.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(
    ("environ", "supervisor"),
    [
        ({}, None),
        ({"MONGOJOBS_SUPERVISED": "0"}, None),
        ({"MONGOJOBS_SUPERVISED": "1"}, os.getppid()),
        ({"MONGOJOBS_SUPERVISED": "4711"}, 4711),
    ],
    ids=["not at all", "not by 0", "by 1, and is the parent", "by its id"],
)
def test_the_supervisor_is_named_by_the_environment(environ, supervisor):
    assert supervisor_of(environ) == supervisor
