"""The judge of the fault tests, on made-up evidence: it names broken promises, and excuses what the harm explains."""

import pytest

from tests.support.rig.checker import Asked, Departure, Disturbance, Enqueued, Evidence, Limits, judge
from tests.support.rig.ledger import Run
from tests.support.rig.pulse import Pulse

CANCELLED = {"a": {"state": "cancelled"}}
LIMITS = Limits(lease=4, heartbeat=1, max_losses=3)


def a_run(fence=1, *, started=10.0, outcome="ended", pid=1, number=1, seconds=1.0):
    ended = None if outcome is None else started + seconds
    return Run("a", fence, pid, 0, number, started, outcome, ended)


def guarantees(*runs, enqueued=None, documents=None, disturbances=(), departures=(), refused=(), asked=None):
    verdict = judge(
        Evidence(
            limits=LIMITS,
            enqueued={"a": Enqueued(1)} if enqueued is None else enqueued,
            runs=runs,
            documents=documents or {},
            disturbances=disturbances,
            departures=departures,
            refused=frozenset(refused),
            asked=asked or {},
        )
    )
    return [violation.split(":")[0] for violation in verdict.violations]


def harm(kind, begun, ended=None, pids=(1,)):
    return Disturbance(kind, frozenset(pids), begun, ended or begun)


class TestTheJudge:
    def test_has_nothing_to_say_of_a_job_that_ran_once(self):
        assert guarantees(a_run()) == []

    def test_misses_a_job_that_never_ran_and_is_gone(self):
        assert guarantees() == ["I1"]

    def test_does_not_miss_a_job_of_which_nobody_knows_whether_it_was_stored(self):
        assert guarantees(enqueued={"a": Enqueued(1, is_known=False)}) == []

    def test_finds_a_job_that_was_cancelled_and_ran_again(self):
        runs = a_run(1, outcome="cancelled"), a_run(2, started=20)

        found = guarantees(*runs, asked={"a": Asked(1, 10.5)}, disturbances=[harm("killed", 15)])

        assert found == ["I4"]

    def test_finds_a_job_that_had_ended_and_counts_as_cancelled(self):
        assert guarantees(a_run(), documents=CANCELLED, asked={"a": Asked(1, 60.0)}) == ["I3"]

    def test_does_not_mind_a_cancellation_that_came_just_when_the_job_ended(self):
        assert guarantees(a_run(), documents=CANCELLED, asked={"a": Asked(1, 11.1)}) == []

    def test_finds_a_job_that_nobody_has_cancelled_and_that_is(self):
        assert guarantees(a_run(outcome="failed"), documents=CANCELLED) == ["I3"]

    def test_finds_a_job_that_nobody_enqueued(self):
        assert guarantees(a_run(), enqueued={}) == ["I2"]

    def test_finds_another_argument(self):
        assert guarantees(a_run(number=2)) == ["I2"]

    def test_finds_a_run_of_what_was_refused(self):
        assert guarantees(a_run(), refused=[1]) == ["I2"]

    def test_finds_a_job_that_is_done_though_its_last_run_failed(self):
        assert guarantees(a_run(1), a_run(2, started=20, outcome="failed"), disturbances=[harm("killed", 15)]) == ["I3"]

    def test_finds_a_second_run_that_nothing_explains(self):
        assert guarantees(a_run(1), a_run(2, started=20)) == ["I4"]

    @pytest.mark.parametrize("pid", [1, 2])
    def test_excuses_a_second_run_only_by_harm_to_the_worker_of_the_first(self, pid):
        killed = harm("killed", 15, pids=[pid])

        assert guarantees(a_run(1), a_run(2, started=16), disturbances=[killed]) == {1: [], 2: ["I4"]}[pid]

    def test_excuses_one_run_for_each_harm(self):
        runs = [a_run(1), a_run(2, started=20), a_run(3, started=30)]

        assert guarantees(*runs, disturbances=[harm("killed", 15)]) == ["I4"]

    @pytest.mark.parametrize(("seconds", "expected"), [(2.9, ["I4"]), (3, [])])
    def test_excuses_a_second_run_by_a_freeze_in_which_a_lock_can_run_out(self, seconds, expected):
        frozen = harm("frozen", 11, 11 + seconds)

        assert guarantees(a_run(1), a_run(2, started=20), disturbances=[frozen]) == expected

    def test_finds_two_runs_at_once(self):
        runs = [a_run(1, seconds=30), a_run(2, started=12)]

        assert guarantees(*runs, disturbances=[harm("killed", 11)]) == ["I5"]

    def test_finds_a_job_that_nobody_takes_up(self):
        assert guarantees(documents={"a": {"state": "running"}}) == ["I6"]

    @pytest.mark.parametrize(("started", "expected"), [(19, []), (30, ["I6"])])
    def test_finds_a_rescue_that_came_too_late(self, started, expected):
        runs = [a_run(1, outcome=None), a_run(2, started=started)]

        assert guarantees(*runs, disturbances=[harm("killed", 11)]) == expected

    @pytest.mark.parametrize(("started", "expected"), [(28, []), (30, ["I6"])])
    def test_grants_a_rescue_a_lease_more_after_the_machine_stood_still(self, started, expected):
        runs = [a_run(1, outcome=None), a_run(2, started=started)]
        stalled = Disturbance("stalled", None, 17, 19)

        assert guarantees(*runs, disturbances=[harm("killed", 11), stalled]) == expected

    def test_grants_it_nothing_for_a_standstill_before_its_worker_died_or_after_its_time(self):
        runs = [a_run(1, outcome=None), a_run(2, started=30)]
        stalled = [Disturbance("stalled", None, 8, 10.5), Disturbance("stalled", None, 25, 27)]

        assert guarantees(*runs, disturbances=[harm("killed", 11), *stalled]) == ["I6"]

    @pytest.mark.parametrize(("turns", "expected"), [(range(60), []), (range(30), ["I6"])])
    def test_lets_jobs_that_were_rescued_together_start_one_after_another(self, turns, expected):
        lost = [a_run(1, outcome=None), a_run(2, started=30)]
        others = [Run(f"other {turn}", 2, 2, 1, turn, 19 + turn * 0.2, "ended", 19.1 + turn * 0.2) for turn in turns]
        enqueued = {"a": Enqueued(1)} | {run.job_id: Enqueued(run.number) for run in others}

        assert guarantees(*lost, *others, enqueued=enqueued, disturbances=[harm("killed", 11)]) == expected

    def test_excuses_a_job_that_ran_while_its_process_died_by_another_one(self):
        killer = Run("b", 1, 1, 0, 2, 10.0, "died", 10.1)
        beside, again = a_run(1, started=10.2, seconds=0.1), a_run(2, started=14)

        found = guarantees(killer, beside, again, enqueued={"a": Enqueued(1), "b": Enqueued(2)})
        assert "I4" not in found

    def test_finds_a_job_that_lost_more_workers_than_it_may(self):
        runs = [a_run(fence, started=10.0 * fence, outcome="died") for fence in range(1, 5)]
        failed = {"state": "failed", "losses": 4, "last_error": "given up: lost"}

        assert guarantees(*runs, documents={"a": failed}) == ["I7"]

    @pytest.mark.parametrize("wrong", [{"losses": 0}, {"losses": 1, "attempts": 2}])
    def test_finds_counters_that_do_not_tell_what_happened(self, wrong):
        runs = [a_run(1, outcome="died"), a_run(2, started=12)]

        assert guarantees(*runs, documents={"a": {"state": "completed"} | wrong}) == ["I7"]

    @pytest.mark.parametrize(("status", "seconds"), [(1, 1), (0, 9)])
    def test_finds_a_worker_that_stops_with_an_error_or_late(self, status, seconds):
        assert guarantees(a_run(), departures=[Departure(1, status, seconds, allowed_seconds=5)]) == ["I8"]

    def test_finds_a_worker_that_ends_by_itself(self):
        assert guarantees(a_run(), departures=[Departure(1, 0)]) == ["I9"]


class TestThePulse:
    def test_tells_of_a_machine_that_stood_still_and_since_when(self, monkeypatch):
        moments, waits, stalls = iter([0.0, 0.1, 0.5, 2.0, 2.1]), iter([False] * 4 + [True]), []
        pulse = Pulse(stalls.append, longest=1)
        monkeypatch.setattr("tests.support.rig.pulse.monotonic", lambda: next(moments))
        monkeypatch.setattr(pulse._over, "wait", lambda _seconds: next(waits))

        pulse._beat()

        assert stalls == [0.5]
