"""What an empty job costs besides its run: the Python calls that log it, send its notices and count it."""

from types import SimpleNamespace

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobStarted
from mongojobs.core.transitions import Succeeded
from mongojobs.worker.finish.result import Result
from mongojobs.worker.outage import Outage
from mongojobs.worker.stats_recorder import StatsRecorder
from tests.support.clock import START, HeldClock
from tests.support.worker_log import calls_made, worker_log
from tests.support.worker_parts import some_held

JOBS = 100


def test_a_job_that_completes_is_logged_told_of_and_counted_in_few_calls(tmp_path):
    with worker_log(tmp_path) as log:
        reporter = Reporter(log.lifecycle, "w1")
        recorder = StatsRecorder(reporter, Outage(reporter))
        recorder.begin(SimpleNamespace(clock=HeldClock()), START)
        jobs = some_held(JOBS)

        def complete():
            for held in jobs:
                reporter.tell(JobStarted, held.job, 0.1)
                result = Result(held, Succeeded(), 0.01)
                result.foretell(reporter)
                result.settle(reporter)
            recorder.count()
            log.handler.flush()

        calls = calls_made(complete, lambda _code: True)
        lines = log.lines()

    assert len(lines) == 2 * JOBS
    assert calls / JOBS <= 49
