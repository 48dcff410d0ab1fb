from datetime import UTC, datetime, timedelta, timezone

import pytest

from mongojobs.core.clock import ServerClock, truncate

A_MOMENT = 0.02
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Machine:
    """A machine whose wall clock is an hour slow, and the server that it asks for the time."""

    def __init__(self):
        self.elapsed = 100.0
        self.wall = NOON.timestamp() - 3600
        self.server = NOON
        self.node = ["a", 27017]
        self.is_away = False
        self.asked = 0
        self.asked_for_primary = 0

    def server_time(self):
        self.asked += 1
        return None if self.is_away else self.server

    def primary(self):
        self.asked_for_primary += 1
        return self.node

    def topology(self):
        return self.node

    def passes(self, seconds):
        self.elapsed += seconds
        self.wall += seconds
        self.server += timedelta(seconds=seconds)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def clock(machine):
    return ServerClock(machine, elapsed=lambda: machine.elapsed, wall=lambda: machine.wall)


class TestServerClock:
    def test_tells_the_servers_time_whatever_the_wall_clock_says(self, clock):
        assert clock.now() == NOON

    def test_goes_on_by_elapsed_time_without_asking_again(self, clock, machine):
        clock.now()
        machine.passes(59)

        assert clock.now() == NOON + timedelta(seconds=59)
        assert machine.asked == 1

    def test_asks_which_node_answers_only_when_what_is_known_of_the_nodes_has_changed(self, clock, machine):
        clock.now()
        asked = machine.asked_for_primary

        clock.now()
        assert machine.asked_for_primary == asked

        machine.node = [*machine.node]
        machine.passes(A_MOMENT)
        clock.now()
        clock.now()
        assert machine.asked_for_primary == asked + 1
        assert machine.asked == 1

    def test_asks_again_after_a_minute(self, clock, machine):
        clock.now()
        machine.passes(60)
        machine.server += timedelta(seconds=2)

        assert clock.now() == NOON + timedelta(seconds=62)

    def test_looks_for_another_node_a_hundred_times_a_second_at_most(self, clock, machine):
        looks = []
        machine.topology = lambda: looks.append(machine.elapsed) or machine.node
        clock._topology = machine.topology
        clock.now()
        looks.clear()

        for _ in range(100):
            machine.passes(0.001)
            clock.now()

        assert 5 <= len(looks) <= 10

    def test_asks_again_when_another_node_answers(self, clock, machine):
        clock.now()
        machine.node = "b"
        machine.passes(A_MOMENT)
        machine.server -= timedelta(seconds=5)

        assert clock.now() == NOON - timedelta(seconds=5) + timedelta(seconds=A_MOMENT)

    @pytest.mark.parametrize("jump", [3600, -3600, 1])
    def test_asks_again_when_somebody_sets_the_wall_clock(self, clock, machine, jump):
        clock.now()
        machine.wall += jump

        assert clock.now() == NOON
        assert machine.asked == 2

    def test_asks_again_after_a_suspend_that_the_counter_did_not_count(self, clock, machine):
        clock.now()
        machine.wall += 600
        machine.server += timedelta(seconds=600)

        assert clock.now() == NOON + timedelta(seconds=600)

    def test_keeps_the_last_offset_while_the_server_is_away(self, clock, machine):
        clock.now()
        machine.is_away = True
        machine.passes(90)

        assert clock.now() == NOON + timedelta(seconds=90)

    def test_is_the_wall_clock_where_no_server_ever_told(self, clock, machine):
        machine.is_away = True

        assert clock.now() == NOON - timedelta(hours=1)

    def test_takes_the_middle_of_a_slow_answer(self, machine):
        def slow_answer():
            moment = machine.server + timedelta(seconds=1)
            machine.passes(2)
            return moment

        machine.server_time = slow_answer
        clock = ServerClock(machine, elapsed=lambda: machine.elapsed, wall=lambda: machine.wall)

        assert clock.now() == machine.server

    def test_asks_again_when_the_first_answer_was_slow_as_that_of_a_new_connection_is(self, machine):
        durations = [0.2, 0.001]

        def answer_at_the_end():
            machine.passes(durations.pop(0))
            return machine.server

        machine.server_time = answer_at_the_end
        clock = ServerClock(machine, elapsed=lambda: machine.elapsed, wall=lambda: machine.wall)

        assert abs(clock.now() - machine.server) <= timedelta(milliseconds=1)

    def test_takes_the_slow_answer_where_the_server_gave_no_other(self, machine):
        answers = [machine.server, None]

        def answer_once():
            machine.passes(0.2)
            return answers.pop(0)

        machine.server_time = answer_once
        clock = ServerClock(machine, elapsed=lambda: machine.elapsed, wall=lambda: machine.wall)

        assert clock.now() == NOON + timedelta(seconds=0.3)

    def test_gives_whole_milliseconds(self, clock, machine):
        clock.now()
        machine.passes(0.0123456)

        assert clock.now().microsecond == 12000


class TestTruncate:
    def test_cuts_to_milliseconds_in_utc(self):
        moment = datetime(2030, 1, 1, 14, 0, 0, 999999, tzinfo=timezone(timedelta(hours=2)))

        assert truncate(moment) == datetime(2030, 1, 1, 12, 0, 0, 999000, tzinfo=UTC)
        assert truncate(moment).tzinfo is UTC

    def test_refuses_a_naive_time(self):
        with pytest.raises(ValueError, match=r"must carry its zone.*datetime\.now\(UTC\)"):
            truncate(NOON.replace(tzinfo=None))

    def test_refuses_a_year_that_utc_does_not_have(self):
        with pytest.raises(ValueError, match="must be between the years 1 and 9999 in UTC"):
            truncate(datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))))

    def test_refuses_what_is_no_time(self):
        with pytest.raises(ValueError, match=r"must be a datetime with a zone, got '2030-01-01'"):
            truncate("2030-01-01")
