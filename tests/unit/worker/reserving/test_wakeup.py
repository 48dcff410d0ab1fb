"""What an idle worker waits for."""

import queue
import random
import threading
from datetime import timedelta

import pytest

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import Warned
from mongojobs.worker.reserving import wakeup as wakeup_module
from mongojobs.worker.reserving.wakeup import SHORTEST_POLL_SECONDS, Wakeup
from tests.support.clock import START, HeldClock
from tests.support.waiting import LONG, eventually
from tests.support.worker_parts import AWAY, REFUSED, Told

SHORT = 0.2


class FakeStream:
    """Gives what is put into it; an exception is raised."""

    def __init__(self):
        self.events = queue.Queue()
        self.closed = threading.Event()

    def next(self):
        event = self.events.get()
        if isinstance(event, Exception):
            raise event
        return event

    def close(self):
        self.closed.set()
        self.events.put(None)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def streams():
    """The streams that were opened."""
    return []


@pytest.fixture
def wakeup(told, streams):
    def open_stream():
        streams.append(FakeStream())
        return streams[-1]

    wakeup = Wakeup(open_stream, HeldClock(), Reporter(told, "worker"), sleep_delay=LONG)
    wakeup.start()
    yield wakeup
    wakeup.close()


@pytest.fixture
def polling(told):
    return Wakeup(None, HeldClock(), Reporter(told, "worker"), sleep_delay=SHORT)


class Unheard(threading.Event):
    """Times out at once, and records for how many seconds it was to wait."""

    ring = threading.Event.set

    def wait(self, timeout=None):
        self.seconds = timeout
        return False


def to_wait(wakeup, *, due=None, most=LONG):
    """Return for how many seconds it would wait."""
    wakeup._awake = Unheard()
    wakeup.wait(due=due, most=most)
    return wakeup._awake.seconds


class Waiting:
    """A wait in another thread."""

    def __init__(self, wakeup, **how):
        self.thread = threading.Thread(target=wakeup.wait, kwargs={"due": None, "most": LONG} | how)
        self.thread.start()

    def is_over(self, seconds=30):
        self.thread.join(seconds)
        return not self.thread.is_alive()


def listening(wakeup, streams):
    """Make it open its stream, and look once more because of that."""
    wakeup.wait(due=None, most=LONG)
    return streams[-1]


def break_each(streams, error, *, times):
    """Break the stream this many times, each time as soon as it is open."""
    for number in range(times):
        eventually(lambda number=number: len(streams) > number)
        streams[number].events.put(error)


class TestABrokenStream:
    def test_wakes_every_waiting_thread(self, wakeup, streams):
        stream = listening(wakeup, streams)
        wakeup._failures = 50
        waiting = Waiting(wakeup)

        stream.events.put(AWAY)

        assert waiting.is_over()

    def test_that_has_worked_is_followed_by_another_at_once(self, wakeup, streams, monkeypatch):
        monkeypatch.setattr("mongojobs.worker.reserving.wakeup.LIFE_SECONDS", 0)
        monkeypatch.setattr("mongojobs.worker.reserving.wakeup.seconds_to_next_try", lambda failures: failures and LONG)
        wakeup._failures = 50
        listening(wakeup, streams).events.put(AWAY)

        eventually(lambda: len(streams) == 2)

    def test_that_never_worked_is_waited_for_longer_and_longer(self, wakeup, streams, monkeypatch):
        waits = []
        monkeypatch.setattr(
            "mongojobs.worker.reserving.wakeup.seconds_to_next_try", lambda failures: waits.append(failures) or 0
        )

        wakeup.wait(due=None, most=0)
        break_each(streams, AWAY, times=3)

        eventually(lambda: waits == [0, 1, 2])

    def test_is_reported_once_while_it_breaks_again_and_again(self, wakeup, streams, told, monkeypatch):
        monkeypatch.setattr("mongojobs.worker.reserving.wakeup.LIFE_SECONDS", 0)
        monkeypatch.setattr("mongojobs.worker.reserving.wakeup.seconds_to_next_try", lambda _: 0)

        wakeup.wait(due=None, most=0)
        break_each(streams, REFUSED, times=3)
        eventually(lambda: len(streams) == 4)

        assert len(told.of(Warned)) == 1


class TestAnAnnouncedJob:
    """Where *looks* has which thread has looked, and each look finds what *finds* says."""

    @pytest.fixture(autouse=True)
    def _looking(self, wakeup):
        self.looks, self.finds = [], True

        def look():
            self.looks.append(threading.current_thread().name)
            return self.finds

        wakeup._look = look

    def announce(self, wakeup, stream):
        """Announce a job while the worker waits, and return once it goes on."""
        waiting = Waiting(wakeup)
        eventually(lambda: wakeup._is_waiting)
        stream.events.put(START)
        assert waiting.is_over()

    def test_is_looked_for_by_who_heard_of_it_before_the_worker_wakes(self, wakeup, streams):
        self.announce(wakeup, listening(wakeup, streams))

        assert self.looks == ["mongojobs-wakeup"]
        assert not wakeup.was_in_vain()

    def test_that_others_took_is_looked_for_once(self, wakeup, streams):
        self.finds = False
        self.announce(wakeup, listening(wakeup, streams))

        assert [wakeup.was_in_vain(), wakeup.was_in_vain()] == [True, False]

    def test_that_cannot_be_looked_for_is_left_to_the_worker(self, wakeup, streams):
        self.finds = None
        self.announce(wakeup, listening(wakeup, streams))

        assert not wakeup.was_in_vain()

    def test_is_left_to_a_worker_that_does_not_wait(self, wakeup, streams):
        listening(wakeup, streams).events.put(START)
        eventually(lambda: not wakeup._awake._silence.locked())

        assert wakeup.wait(due=None, most=LONG)
        assert self.looks == []

    def test_is_left_to_a_worker_that_lets_others_go_first(self, wakeup, streams):
        stream = listening(wakeup, streams)
        self.finds = False
        self.announce(wakeup, stream)
        wakeup.note_empty()
        self.announce(wakeup, stream)

        assert len(self.looks) == 1

    def test_is_looked_for_at_once_though_a_look_when_the_stream_was_opened_found_nothing(self, wakeup, streams):
        stream = listening(wakeup, streams)
        wakeup.note_empty()
        self.announce(wakeup, stream)

        assert len(self.looks) == 1

    def test_that_was_found_is_no_reason_to_let_others_go_first(self, wakeup, streams):
        stream = listening(wakeup, streams)
        self.announce(wakeup, stream)
        wakeup.note_empty()
        self.announce(wakeup, stream)

        assert len(self.looks) == 2


class TestAWait:
    def test_ends_when_a_job_falls_due(self, polling):
        assert 0 <= to_wait(polling, due=START + timedelta(seconds=0.01)) <= 0.01

    def test_ends_at_once_for_a_job_that_is_due_already(self, polling):
        assert to_wait(polling, due=START - timedelta(seconds=1)) == 0

    def test_lasts_no_longer_than_asked(self, polling):
        assert to_wait(polling, most=0.01) == 0.01

    @pytest.mark.behaviour("X15")
    def test_ends_when_it_is_told_to(self, wakeup, streams):
        listening(wakeup, streams)
        waiting = Waiting(wakeup)

        wakeup.wake()

        assert waiting.is_over()

    def test_ends_when_it_was_told_to_before(self, wakeup, streams):
        listening(wakeup, streams)

        wakeup.wake()

        assert wakeup.wait(due=None, most=LONG)

    def test_grows_without_a_stream_up_to_the_sleep_delay(self, polling):
        begun = to_wait(polling)
        polling._idle_since -= 1000
        long_idle = to_wait(polling)

        assert begun < long_idle == SHORT

    @pytest.mark.parametrize(("is_prompt", "begin"), [(True, LONG), (False, SHORTEST_POLL_SECONDS)])
    def test_is_as_short_as_without_one_with_a_stream_that_may_be_late(self, wakeup, streams, is_prompt, begin):
        wakeup._is_prompt = is_prompt
        listening(wakeup, streams)

        assert to_wait(wakeup) == begin

    def test_forgets_no_call_that_comes_when_its_time_is_just_over(self, polling):
        class Late(threading.Event):
            def wait(self, timeout=None):
                self.set()
                return False

        polling._awake = Late()
        over = polling.wait(due=None, most=0)
        polling._awake.__class__ = threading.Event

        assert not over
        assert polling.wait(due=None, most=LONG)

    def test_lets_others_go_first_after_a_look_that_found_nothing(self, wakeup, streams, monkeypatch):
        deferences = []
        monkeypatch.setattr(random, "uniform", lambda _least, most: deferences.append(most) or 0)
        listening(wakeup, streams)

        for look in (wakeup.note_empty, wakeup.note_empty, wakeup.busy, wakeup.note_empty):
            wakeup._wake_and_rest()
            wakeup.wait(due=None, most=LONG)
            look()
        wakeup.wake()
        wakeup.wait(due=None, most=LONG)

        assert len(deferences) == 3

    def test_is_short_again_after_work(self, polling):
        polling._idle_since -= 1000

        polling.busy()

        assert to_wait(polling) < SHORT


class TestListening:
    def test_looks_once_more_when_the_stream_is_open(self, wakeup, streams):
        wakeup.wait(due=None, most=LONG)

        assert len(streams) == 1

    def test_ends_the_wait_when_a_job_comes(self, wakeup, streams):
        stream = listening(wakeup, streams)
        waiting = Waiting(wakeup)

        stream.events.put(START)

        assert waiting.is_over()

    def test_ends_the_wait_for_a_job_that_is_due_earlier(self, wakeup, streams):
        stream = listening(wakeup, streams)
        waiting = Waiting(wakeup, due=START + timedelta(seconds=LONG - 10))

        stream.events.put(START + timedelta(seconds=LONG - 20))

        assert waiting.is_over()

    def test_does_not_end_the_wait_for_a_job_that_is_due_later(self, wakeup, streams):
        stream = listening(wakeup, streams)
        waiting = Waiting(wakeup, due=START + timedelta(seconds=LONG - 20))

        stream.events.put(START + timedelta(seconds=LONG - 10))
        is_over = waiting.is_over(SHORT)
        wakeup.wake()

        assert not is_over
        assert waiting.is_over()

    def test_hears_of_a_future_job_between_the_look_and_the_wait(self, wakeup, streams):
        stream = listening(wakeup, streams)
        wakeup.wait(due=START, most=LONG)  # an earlier wait, for something long past

        stream.events.put(START + timedelta(seconds=LONG - 20))
        eventually(stream.events.empty)
        eventually(lambda: not wakeup._awake._silence.locked())

        assert wakeup.wait(due=None, most=LONG)

    def test_rests_until_the_worker_waits_again(self, wakeup, streams, monkeypatch):
        monkeypatch.setattr(wakeup_module, "LONGEST_REST_SECONDS", LONG)
        stream = listening(wakeup, streams)
        waiting = Waiting(wakeup)
        eventually(lambda: wakeup._is_waiting)
        stream.events.put(START)
        stream.events.put(START)
        waiting.is_over()

        wakeup._closed.wait(SHORT)
        unheard = stream.events.qsize()
        wakeup.wait(due=None, most=0)

        assert unheard == 1
        eventually(stream.events.empty)

    def test_does_not_rest_while_the_worker_is_busy(self, wakeup, streams, monkeypatch):
        monkeypatch.setattr(wakeup_module, "LONGEST_REST_SECONDS", LONG)
        stream = listening(wakeup, streams)

        stream.events.put(START)
        stream.events.put(START)

        eventually(stream.events.empty)

    def test_ends_when_the_worker_is_busy_and_begins_again_when_it_is_idle(self, wakeup, streams):
        stream = listening(wakeup, streams)

        for _ in range(3):
            wakeup.busy()
        was_closed = stream.closed.wait(30)
        listening(wakeup, streams)

        assert was_closed
        assert len(streams) == 2

    def test_goes_on_after_an_error_and_leaves_telling_of_an_outage_to_others(self, wakeup, streams, told):
        stream = listening(wakeup, streams)

        stream.events.put(AWAY)
        listening(wakeup, streams)

        eventually(lambda: len(streams) == 2)
        assert told.notices == []

    def test_reports_an_error_that_lasts(self, wakeup, streams, told):
        stream = listening(wakeup, streams)

        stream.events.put(REFUSED)

        eventually(lambda: len(told.of(Warned)) == 1)
        assert "polls for them instead" in told.of(Warned)[0].message

    def test_goes_on_after_anything(self, wakeup, streams):
        stream = listening(wakeup, streams)

        stream.events.put(ValueError("a bug"))
        listening(wakeup, streams)

        eventually(lambda: len(streams) == 2)

    def test_ends_when_it_is_closed(self, wakeup, streams):
        stream = listening(wakeup, streams)

        wakeup.close()

        assert stream.closed.is_set()
        assert not wakeup._thread.is_alive()
