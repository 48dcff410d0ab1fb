"""Questions of a page that do not depend on each other: two are asked at a time, as in the request they are for."""

import threading
from datetime import timedelta

import pytest

from mongojobs.app.dashboard import SideBySide, within
from mongojobs.core.errors import StoreUnavailableError
from mongojobs.store.time_limits import time_left


def refuse():
    raise StoreUnavailableError("it is away")


class TestQuestionsSideBySide:
    def test_are_asked_two_at_a_time(self, app):
        meet = threading.Barrier(2, timeout=30)

        with SideBySide(app) as side_by_side:
            answers = [side_by_side.ask(meet.wait) for _ in range(2)]

        assert sorted(answer() for answer in answers) == [0, 1]

    def test_keep_to_the_time_limit_of_their_page(self, app):
        with within(timedelta(seconds=30)), SideBySide(app) as side_by_side:
            left = side_by_side.ask(time_left)

        assert 0 < left() <= 30

    def test_tell_what_went_wrong(self, app):
        with SideBySide(app) as side_by_side:
            answer = side_by_side.ask(refuse)

        with pytest.raises(StoreUnavailableError, match="it is away"):
            answer()

    def test_leave_no_thread_behind(self, app, operator):
        operator.text("/")
        operator.text("/jobs?state=failed&q=error:mailbox")

        assert [thread for thread in threading.enumerate() if thread.name.startswith("mongojobs-page")] == []
