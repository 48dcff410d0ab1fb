"""A pass over rows, with a database that is a variable: what is known of the place after each end of a run."""

from types import SimpleNamespace

import pytest

from mongojobs.core.inside.alone import Alone
from mongojobs.core.inside.cursor import Cursor, rows_aside
from mongojobs.core.inside.record import Means
from tests.support.clock import HeldClock
from tests.support.jobs import a_job

ROWS = range(6)


class _Death(BaseException):
    """The worker dies: nobody hears of it."""


class Place:
    """What is stored of a job, and the runs that go on from there."""

    def __init__(self) -> None:
        self.cursors = ()
        self.saves = 0
        self.done = []
        self.aside = []
        self.now = 0.0
        self.seconds_of_a_save = 0.0
        self.seconds_of_rows = {}

    def run(self, *, dies_at=None, breaks_at=None, wary=60.0, **options):
        """Go through the rows, and note them; perhaps die or stop at one."""
        job = a_job(cursors=self.cursors, fence=1)

        def save(record):
            self.saves += 1
            self.now += self.seconds_of_a_save
            self.cursors = record.fields()["cursors"]

        means = Means(HeldClock(), save=save, on_aside=lambda *told: self.aside.append(told), wary=wary)
        job.begin(Alone(job, lambda: means))
        try:
            for row in job.each(ROWS, **options):
                if row == dies_at:
                    raise _Death
                if row == breaks_at:
                    break
                self.now += self.seconds_of_rows.get(row, 0.001)
                self.done.append(row)
        except _Death:
            return
        self.cursors = job.run.record.closing()["cursors"]


@pytest.fixture
def place(monkeypatch):
    place = Place()
    monkeypatch.setattr("mongojobs.core.inside.rows.time", SimpleNamespace(monotonic=lambda: place.now))
    return place


class TestAPlace:
    def test_is_stored_once_when_all_goes_well(self, place):
        place.run()

        assert (place.done, place.saves) == ([*ROWS], 1)
        assert place.cursors == ({"name": "rows", "key": 5, "count": 6},)

    def test_is_that_of_the_next_run(self, place):
        place.run()
        place.run()

        assert place.done == [*ROWS]

    def test_where_a_run_ended_in_order_is_no_place_of_death(self, place):
        place.run(breaks_at=3)
        place.run(dies_at=5)

        assert (place.done, place.saves) == ([0, 1, 2, 3, 4], 2)
        assert place.cursors[0]["key"] == 2

    def test_is_stored_for_each_row_after_a_death(self, place):
        place.run(dies_at=3)
        place.run(dies_at=4)

        assert place.done == [0, 1, 2, 0, 1, 2, 3]
        assert Cursor.read(place.cursors[0]).at == 4

    def test_is_stored_for_each_row_no_longer_when_that_has_gone_well_for_a_while(self, place):
        place.run(dies_at=3)
        place.run(wary=1e-9)

        assert place.saves == 4
        assert "deaths" not in place.cursors[0]


class TestARow:
    @pytest.mark.parametrize(("skip_after", "deaths"), [(3, 3), (2, 2), (1, 2)])
    def test_at_which_workers_died_is_left_out(self, place, skip_after, deaths):
        ends = [place.run(dies_at=3, skip_after=skip_after) for _ in range(deaths)]

        place.run(dies_at=3, skip_after=skip_after)

        assert len(ends) == deaths
        assert place.aside == [("rows", "3", deaths)]
        assert sorted({*place.done}) == [0, 1, 2, 4, 5]
        assert [(one.rows, one.row, one.deaths) for one in rows_aside(place.cursors)] == [("rows", "3", deaths)]

    @pytest.mark.parametrize(
        ("saving", "rows"), [(20, {}), (0, {0: 100})], ids=["while stores are slow", "behind a long row"]
    )
    def test_is_found(self, place, saving, rows):
        place.seconds_of_a_save, place.seconds_of_rows = saving, rows
        place.run(dies_at=4)
        place.run(dies_at=4)
        place.run(dies_at=4)

        place.run(dies_at=4)

        assert place.aside == [("rows", "4", 3)]

    def test_is_not_left_out_for_ever_so_many_deaths_if_that_is_not_wanted(self, place):
        ends = [place.run(dies_at=3, skip_after=None) for _ in range(9)]

        assert len(ends) == 9
        assert place.aside == []
        assert Cursor.read(place.cursors[0]).at == 3

    def test_that_is_done_after_a_death_is_not_to_blame_for_the_next_one(self, place):
        place.run(dies_at=3)
        place.run(dies_at=3)
        place.run(dies_at=4)
        place.run(dies_at=4)

        place.run(dies_at=4)
        place.run()

        assert place.aside == [("rows", "4", 3)]

    def test_of_damaged_cursors_is_shown_as_far_as_possible(self):
        damaged = {"name": 7, "aside": [{"row": 5, "at": "noon", "deaths": "x"}, 3], "count": -1, "wary": "no"}

        [shown] = rows_aside([damaged])

        assert (shown.rows, shown.row, shown.at, shown.deaths) == ("7", "5", None, 0)
