"""Whether a worker's loop is running."""

import mongojobs
from mongojobs.worker.liveness import Liveness
from tests.support.waiting import LONG


class TestLiveness:
    def test_is_as_old_as_its_last_beat(self):
        moments = iter([100.0, 130.0, 137.5])
        liveness = Liveness(lambda: next(moments))

        liveness.beat()

        assert liveness.age_seconds() == 7.5

    def test_counts_from_its_beginning_before_the_first_beat(self):
        moments = iter([100.0, 107.0])

        assert Liveness(lambda: next(moments)).age_seconds() == 7

    def test_tells_each_listener_of_each_beat(self):
        told = []
        liveness = Liveness()
        liveness.on_beat(lambda: told.append("first"))
        liveness.on_beat(lambda: told.append("second"))

        liveness.beat()
        liveness.beat()

        assert told == ["first", "second"] * 2


def test_each_worker_has_one():
    assert mongojobs.Worker().liveness.age_seconds() < LONG
