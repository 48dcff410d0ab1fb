"""Workers that are stopped and killed, over and over, while a long job gets on."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from tests.support.command_line import Process
from tests.support.row_jobs import done
from tests.support.waiting import eventually

_FAR_BEHIND_SECONDS = 60


def harass(
    start: Callable[[], Process], ledger: Path, is_over: Callable[[], bool], *, every: float, deaths: Iterable[Signals]
) -> Counter[Signals]:
    """Start a worker again and again; end each by the next signal, so many seconds after it has done its first row.

    Return how many signals were sent.
    """
    sent: Counter[Signals] = Counter()
    for death in deaths:
        before, worker = len(done(ledger)), start()
        eventually(lambda: is_over() or len(done(ledger)) > before, seconds=_FAR_BEHIND_SECONDS)  # noqa: B023 - at once
        if is_over():
            return sent
        time.sleep(every)
        worker.send(death)
        worker.wait()
        sent[death] += 1
    raise AssertionError(f"{len(done(ledger))} rows were done after {dict(sent)}, and not all")


def kinds(terms: int) -> Iterable[Signals]:
    """Yield signals for ever: so many times TERM, then KILL."""
    while True:
        yield from [SIGTERM] * terms
        yield SIGKILL
