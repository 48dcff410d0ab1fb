"""How far a job is, as a value."""

from datetime import UTC, datetime, timedelta

import pytest

from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.alone import Alone
from mongojobs.core.inside.progress import Progress, checked, in_a_line, pace
from mongojobs.core.inside.record import Means
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - as mongomock gives it


class TestAShare:
    @pytest.mark.parametrize(
        ("done", "of", "share", "brief"),
        [
            (0, 40, 0, "0 %"),
            (10, 40, 0.25, "25 %"),
            (399, 400, 0.9975, "99 %"),
            (41, 40, 1, "100 %"),
            (1200, None, None, "1,200"),
            (2.5, None, None, "2.5"),
            (3, 0, None, "3"),
        ],
    )
    def test_is_known_where_it_is_known_how_much_there_is(self, done, of, share, brief):
        progress = Progress(done=done, of=of)

        assert (progress.share, progress.brief) == (share, brief)


class TestTheTimeLeft:
    @pytest.mark.parametrize(
        ("rate", "of", "left"),
        [
            (2, 40, timedelta(seconds=15)),
            (2, 5, timedelta(0)),
            (None, 40, None),
            (2, None, None),
            (1e-9, 40, None),
        ],
    )
    def test_goes_by_the_rate_of_the_run(self, rate, of, left):
        assert Progress(done=10, of=of, rate=rate).left == left


class TestALine:
    @pytest.mark.parametrize(
        ("progress", "line"),
        [
            (Progress(done=1200), "1,200"),
            (Progress(done=1200, of=40000, rate=120), "1,200 of 40,000 (3 %), 120 a second, 5m 23s left"),
            (Progress(done=1, of=4, note="Ann"), "1 of 4 (25 %): Ann"),
        ],
    )
    def test_says_what_is_known(self, progress, line):
        assert in_a_line(progress, is_running=True) == line

    def test_of_a_job_that_does_not_run_has_no_rate(self):
        assert in_a_line(Progress(done=1, of=4, rate=3), is_running=False) == "1 of 4 (25 %)"

    @pytest.mark.parametrize(
        ("rate", "text"), [(120, "120 a second"), (1.5, "1.5 a second"), (0.5, "30 a minute"), (1e-9, "0.0 a day")]
    )
    def test_has_a_rate_that_can_be_read(self, rate, text):
        assert pace(rate) == text


class TestWhatIsStored:
    def test_is_read_as_it_was(self):
        progress = Progress(done=3, of=7, note="n", at=START, rate=0.5)

        assert Progress.read(progress.stored()) == progress

    def test_has_only_what_is_known(self):
        assert Progress(done=0).stored() == {"done": 0}

    @pytest.mark.parametrize(
        "damaged",
        [
            {},
            {"done": "3", "of": -1, "note": 7, "at": "noon", "rate": float("nan")},
            {"done": True, "of": 2**60, "rate": float("inf")},
        ],
    )
    def test_counts_as_nothing_where_it_is_damaged(self, damaged):
        assert Progress.read(damaged) == Progress(done=0)

    def test_has_times_in_utc_on_mongomock_too(self):
        assert Progress.read({"done": 1, "at": NAIVE}).at == datetime(2030, 1, 1, tzinfo=UTC)


class TestAnAmount:
    @pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 2**60, "3", None, True])
    def test_that_is_none_is_refused_by_name(self, value):
        with pytest.raises(ProgressError, match=r"^of must be a number from 0 to 2\*\*53, got "):
            checked("of", value)


class TestARate:
    def test_is_that_of_this_run(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        job = a_job(progress=Progress(done=500))
        job.begin(Alone(job, lambda: Means(HeldClock())))

        job.set_progress(500)
        first = job.progress
        now[0] += 4
        job.set_progress(520)

        assert (first.rate, job.progress.rate) == (None, 5)

    def test_begins_anew_with_another_count(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        job = a_job()
        job.begin(Alone(job, lambda: Means(HeldClock())))
        job.set_progress(500)
        now[0] += 4

        job.set_progress(0)
        now[0] += 1
        job.set_progress(3)

        assert job.progress.rate == 3
