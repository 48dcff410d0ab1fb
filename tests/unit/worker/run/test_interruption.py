"""Raising an exception in a job's code and nowhere else, however close the job is to its end."""

import asyncio
import gc
import random
import sys
import threading
from collections import Counter
from functools import partial

import pytest

from mongojobs.core.errors import Interrupted, JobTimeout
from mongojobs.worker.run.interruption import Interruption
from mongojobs.worker.threads.event_loop import EventLoop
from tests.support.waiting import eventually

ROUNDS = 20_000


def runs_until_interrupted(begun):
    begun.set()
    never = threading.Event()
    while True:
        never.wait(0.001)


class InAThread:
    """Runs *body* as an interruptible run in its own thread, and keeps how it ended."""

    def __init__(self, interruption, body):
        self.raised = self.returned = None
        self._thread = threading.Thread(target=self._run, args=(interruption, body))
        self._thread.start()

    def _run(self, interruption, body):
        try:
            self.returned = interruption.run(body)
        except BaseException as error:  # noqa: BLE001 - whatever it is
            self.raised = error

    def end(self):
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.raised


def looks_on(frame, event, argument):
    """Trace nothing, like a debugger without a breakpoint."""


@pytest.fixture
def quick_switches():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class TestARelay:
    """For code that runs elsewhere."""

    def test_gets_what_should_be_raised(self):
        interruption, relayed = Interruption(), []
        interruption.relay_to(relayed.append)

        was_running = interruption.interrupt(JobTimeout)

        assert was_running
        assert relayed == [JobTimeout]

    def test_gets_at_once_what_came_before_it(self):
        interruption, relayed = Interruption(), []
        interruption.interrupt(Interrupted)

        interruption.relay_to(relayed.append)

        assert relayed == [Interrupted]

    def test_gets_nothing_once_the_run_is_over(self):
        interruption, relayed = Interruption(), []
        interruption.relay_to(relayed.append)
        interruption.close()

        assert not interruption.interrupt(JobTimeout)
        assert relayed == []


class TestAnInterruption:
    def test_is_raised_inside_the_code_that_runs(self):
        interruption, begun = Interruption(), threading.Event()
        run = InAThread(interruption, lambda: runs_until_interrupted(begun))
        begun.wait(30)

        was_running = interruption.interrupt(JobTimeout)

        assert was_running
        assert type(run.end()) is JobTimeout

    def test_lets_the_code_clean_up(self):
        interruption, begun, cleaned = Interruption(), threading.Event(), []

        def body():
            try:
                runs_until_interrupted(begun)
            finally:
                cleaned.append(True)

        run = InAThread(interruption, body)
        begun.wait(30)
        interruption.interrupt(Interrupted)

        assert type(run.end()) is Interrupted
        assert cleaned == [True]

    @pytest.mark.behaviour("X23")
    def test_that_the_code_swallowed_is_raised_all_the_same(self):
        interruption, begun = Interruption(), threading.Event()

        def body():
            try:
                runs_until_interrupted(begun)
            except BaseException:  # noqa: BLE001 - what it is about
                return "success"

        run = InAThread(interruption, body)
        begun.wait(30)
        interruption.interrupt(JobTimeout)

        assert type(run.end()) is JobTimeout
        assert run.returned is None

    def test_leaves_the_code_another_error_of_its_own(self):
        interruption, begun = Interruption(), threading.Event()

        def body():
            try:
                runs_until_interrupted(begun)
            except BaseException as error:
                raise ValueError("of its own") from error

        run = InAThread(interruption, body)
        begun.wait(30)
        interruption.interrupt(JobTimeout)

        assert type(run.end()) is ValueError

    def test_that_comes_first_is_the_one_that_counts(self):
        interruption, begun, again = Interruption(), threading.Event(), threading.Event()

        def body():
            try:
                runs_until_interrupted(begun)
            except BaseException:  # noqa: BLE001 - what it is about
                runs_until_interrupted(again)

        run = InAThread(interruption, body)
        begun.wait(30)
        interruption.interrupt(JobTimeout)
        again.wait(30)
        interruption.interrupt(Interrupted)
        run.end()

        assert interruption.raised is JobTimeout

    def test_before_the_run_prevents_it(self):
        interruption, ran = Interruption(), []

        interruption.interrupt(Interrupted)
        run = InAThread(interruption, lambda: ran.append(True))

        assert type(run.end()) is Interrupted
        assert ran == []

    def test_after_the_run_does_nothing(self):
        interruption = Interruption()

        returned = interruption.run(lambda: "done")

        assert returned == "done"
        assert not interruption.interrupt(JobTimeout)

    @pytest.mark.parametrize("ends", [int, partial(int, "no number")], ids=["returns", "raises"])
    def test_is_raised_nowhere_from_the_first_call_after_the_code(self, ends):
        """Two that were raised there, one after the other, would leave the run open, and a third come after it."""
        interruption, late = Interruption(), []

        def comes(frame, event, argument):
            sys.settrace(None)
            try:
                interruption.interrupt(JobTimeout)
            except JobTimeout:
                late.append(frame.f_code.co_name)

        def body():
            sys.settrace(comes)
            return ends()

        InAThread(interruption, body).end()

        assert interruption.raised is JobTimeout
        assert late == []

    @pytest.mark.parametrize("trace", [None, looks_on], ids=["free", "traced"])
    def test_never_reaches_what_comes_after_the_run(self, quick_switches, trace):
        """Thousands of short runs in one thread, each of them interrupted about when it ends.

        No tool may trace that thread: inside of a coverage tool an exception would leave the tool's own lock locked.
        """
        current, over, leaked, ends = [Interruption()], threading.Event(), [], Counter()

        def hostile():
            while not over.is_set():
                current[0].interrupt(JobTimeout)

        def work():
            while ends["returned"] < ROUNDS or not ends["interrupted"]:
                sys.settrace(trace)
                interruption = current[0] = Interruption()
                try:
                    interruption.run(lambda: sum(range(random.randrange(50))))
                    ends["returned"] += 1
                except JobTimeout:
                    ends["interrupted"] += 1
                try:
                    sum(range(200))
                except JobTimeout:
                    leaked.append(True)

        interrupter, worker = threading.Thread(target=hostile), threading.Thread(target=work)
        interrupter.start()
        worker.start()
        worker.join(60)
        over.set()
        interrupter.join(30)

        assert not worker.is_alive()
        assert leaked == []


@pytest.fixture
def event_loop():
    loop = EventLoop()
    yield loop
    assert loop.close(5)
    gc.collect()  # tasks that nobody waited for tell of their errors when they go: now, and not within other code


class TestAnAsyncRun:
    def run(self, event_loop, interruption, coroutine_function):
        return InAThread(interruption, lambda: interruption.wait_for(coroutine_function(), event_loop.get()))

    def test_returns_what_the_coroutine_returns(self, event_loop):
        async def returns():
            await asyncio.sleep(0)
            return 42

        run = self.run(event_loop, Interruption(), returns)

        assert run.end() is None
        assert run.returned == 42

    def test_is_cancelled_by_an_interruption_and_cleans_up_first(self, event_loop):
        interruption, begun, cleaned = Interruption(), threading.Event(), []

        async def waits():
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                cleaned.append(True)

        run = self.run(event_loop, interruption, waits)
        begun.wait(30)
        interruption.interrupt(JobTimeout)

        assert type(run.end()) is JobTimeout
        assert cleaned == [True]

    @pytest.mark.behaviour("X23")
    def test_cannot_swallow_its_interruption(self, event_loop):
        interruption, begun = Interruption(), threading.Event()

        async def swallows():
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return "success"

        run = self.run(event_loop, interruption, swallows)
        begun.wait(30)
        interruption.interrupt(JobTimeout)

        assert type(run.end()) is JobTimeout

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("no luck")])
    def test_raises_what_the_coroutine_raises_and_the_loop_goes_on(self, event_loop, error):
        async def raises():
            raise error

        async def returns():
            return "still turning"

        first = self.run(event_loop, Interruption(), raises)
        first.end()
        second = self.run(event_loop, Interruption(), returns)
        second.end()

        assert first.raised is error
        assert second.returned == "still turning"

    def test_outlives_a_task_of_the_job_that_exits(self, event_loop):
        async def exits():
            raise SystemExit(3)

        async def leaves_a_task_behind():
            task = asyncio.create_task(exits())
            await asyncio.sleep(0.01)
            return task.done()

        run = self.run(event_loop, Interruption(), leaves_a_task_behind)

        assert run.end() is None
        assert run.returned is True

    def test_is_interruptible_again_in_its_hooks_after_the_coroutine(self, event_loop):
        interruption, begun = Interruption(), threading.Event()

        async def returns():
            pass

        def body():
            interruption.wait_for(returns(), event_loop.get())
            runs_until_interrupted(begun)

        run = InAThread(interruption, body)
        begun.wait(30)
        interruption.interrupt(JobTimeout)

        assert type(run.end()) is JobTimeout


class TestTheEventLoop:
    def test_ends_what_jobs_have_left_behind(self):
        event_loop, ended = EventLoop(), []

        async def goes_on():
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(True)

        async def leaves_a_task_behind():
            event_loop.left = asyncio.create_task(goes_on())
            await asyncio.sleep(0)

        Interruption().wait_for(leaves_a_task_behind(), event_loop.get())

        assert event_loop.close(5)
        assert ended == [True]

    def test_does_not_wait_forever_for_one_that_blocks(self):
        event_loop, go_on = EventLoop(), threading.Event()
        event_loop.get().call_soon_threadsafe(go_on.wait, 10)

        has_ended = event_loop.close(0.05)
        go_on.set()

        assert not has_ended
        eventually(lambda: event_loop.close(1))
