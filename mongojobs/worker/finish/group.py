"""Results that are written together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.store.faults import DatabaseError, describe, is_about_document, is_passing
from mongojobs.store.jobs import JobStore
from mongojobs.worker.finish.result import Result
from mongojobs.worker.run.inflight_job import InFlightJob

MOST_REFUSALS: Final = 10
"""After this many in a row the writer pauses: by then the results are hardly to blame."""


class Group:
    """Writes *results* in as few calls as possible, and settles those that are stored or dropped."""

    def __init__(self, results: list[Result], store: JobStore, reporter: Reporter) -> None:
        self._results = results
        self._store = store
        self._reporter = reporter
        self.refused: dict[Result, DatabaseError] = {}
        """Those that the database does not take, each with its error."""

    def write(self) -> None:
        """Write all. Raises DatabaseError for a passing error, or if too many are refused."""
        for alike in _alike([result for result in self._results if not result.is_settled]):
            self._write_together(alike)

    def drop(self, lost: Collection[InFlightJob]) -> None:
        """Drop results of jobs whose locks were not renewed for a whole lease: others may be running them now."""
        for result in self._results:
            if result.held in lost:
                result.settle_lost(self._reporter)

    def _write_together(self, results: list[Result]) -> None:
        """Write *results*, which are alike, in one call; in halves if one of them may have caused an error."""
        try:
            not_ours = self._store_all(results)
        except Exception as error:
            for result in results:
                result.is_doubtful = True
            if is_passing(error):
                raise
            self._find_fault(results, error)
            return
        lost = {(job.id, job.lock_token) for job in not_ours} if not_ours else ()
        for result in results:
            if result.held.key in lost:
                result.settle_lost(self._reporter)
            else:
                if result.held.job.cancellation is not None:
                    result.note_cancellation()
                result.settle(self._reporter)

    def _find_fault(self, results: list[Result], error: Exception) -> None:
        if len(results) == 1:
            self._refuse(results[0], error)
            return
        middle = len(results) // 2
        self._write_together(results[:middle])
        self._write_together(results[middle:])

    def _refuse(self, result: Result, error: Exception) -> None:
        if not isinstance(error, DatabaseError) or is_about_document(error):
            why = f", which cannot be stored: {type(error).__name__}: {describe(error)}"
            result.settle_lost(self._reporter, why)
            return
        self.refused[result] = error
        if len(self.refused) >= MOST_REFUSALS:
            raise error

    def _store_all(self, results: list[Result]) -> list[Job]:
        """Write *results*, which are alike; return the jobs that were no longer ours."""
        jobs = [result.held.job for result in results if not result.held.is_committed]
        repeated = results[0].is_doubtful
        if results[0].is_plain:
            return self._store.finish(jobs, repeated=repeated)
        if len(results) == 1:
            return [] if self._store.end(jobs[0], results[0].outcome, repeated=repeated) else jobs
        return self._store.end_all([(result.held.job, result.outcome) for result in results], repeated=repeated)


def _alike(results: Iterable[Result]) -> Iterable[list[Result]]:
    """Group what can be written in one call: successes, all else, and apart from these what may be written already."""
    groups: dict[tuple[bool, bool], list[Result]] = {}
    for result in results:
        groups.setdefault((not result.is_plain, result.is_doubtful), []).append(result)
    return [groups[kind] for kind in sorted(groups)]
