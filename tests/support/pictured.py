"""What the pictures of the dashboard show: an evening in a bookshop, the same each time, and the words on its pages."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from bson import ObjectId
from werkzeug.test import Client

import mongojobs
from mongojobs import MongoJobs, job
from mongojobs.core.inside.log import Entry
from mongojobs.core.inside.progress import Progress
from mongojobs.core.job import Job
from mongojobs.core.stats import StatsByJob, begin_of
from mongojobs.store.workers import RunningJob, WorkerStatus
from mongojobs.web import wsgi_app
from mongojobs.worker.run.run_log import RunLog
from tests.support.clock import HeldClock
from tests.support.command_line import ROOT
from tests.support.dashboard import OPERATOR, a_failed_job, a_running_job
from tests.support.jobs import a_job
from tests.support.worker_parts import a_held

EVENING: Final = datetime(2030, 5, 6, 20, 52, tzinfo=UTC)
"""In the future, so that the server takes nothing away meanwhile."""
WORDS_FILE: Final = ROOT / "tests" / "web" / "pictured.txt"
PICTURED: Final = ObjectId("70af00000000000000000007")
PICTURES: Final = {"dashboard.png": ("/", "light"), "dashboard-job.png": (f"/job?id={PICTURED}", "dark")}
"""The pictures in ``docs``: which page each shows, and in which colours."""
_FAILURES: Final = (
    ("books.index_catalogue", "ConnectionError: search.example did not answer"),
    ("books.resize_cover", "OSError: cannot identify image file 'covers/0815.jpg'"),
)


def _declared(name: str, **options: Any) -> None:
    """Declare a job of this name, which is only looked at."""

    @job(name=name, **options)
    def looked_at(path: str = "", width: int = 200) -> None: ...


for _name in (
    "send_receipt",
    "remind",
    "fetch_status",
    "print_labels",
    "index_catalogue",
    "resize_cover",
    "import_catalogue",
):
    _declared(f"books.{_name}")


@job(name="books.close_day", queue="reports")
def close_day() -> None:
    """Be in a picture."""


@contextmanager
def evening() -> Iterator[MongoJobs]:
    """Let something of everything go on in the default app; all clocks stand still."""
    app = mongojobs.configure(clock=HeldClock(EVENING))
    app.create_indexes()
    _fill_jobs(app)
    _fill_workers(app)
    _fill_figures(app)
    app.pause("search", reason="the index is rebuilt, see ticket 4711", until=EVENING + timedelta(hours=1))
    app.schedule("close the day", close_day, cron="0 23 * * *", tz="Europe/Athens")
    with patch("mongojobs.web.context.look_from_here", lambda *_, **__: ()):  # the doctor looks at this machine, too
        yield app
    mongojobs.configure()


def shown_words(app: MongoJobs) -> str:
    """Return the words of each page that is pictured, a line for each page."""
    visitor = Client(wsgi_app(app=app, auth=lambda _request: OPERATOR))
    pages = [f"{name}: {_words(visitor.get(path).text)}" for name, (path, _) in PICTURES.items()]
    return "\n".join(pages) + "\n"


def _words(page: str) -> str:
    text = re.sub(r"<(script|style|svg|head)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(re.findall(r"[^\W\d_]+", text.partition("Jobs: ")[0] or text))


def _at(**before: float) -> datetime:
    return EVENING - timedelta(**before)


def _fill_jobs(app: MongoJobs) -> None:
    jobs = [_waiting("books.send_receipt", "mail", minutes=13 - number / 2) for number in range(14)]
    jobs += [_waiting("books.fetch_status", "default", seconds=40 - number) for number in range(9)]
    jobs += [_waiting("books.remind", "mail", days=-1 - number / 8) for number in range(40)]
    jobs += [
        _given_up(name, error, minutes) for minutes, (name, error) in zip((4, 11, 18, 39), _FAILURES * 2, strict=True)
    ]
    jobs += [_waiting("books.print_labels", "labels", minutes=2), _pictured()]
    jobs += [_running()]
    for number, one in enumerate(jobs, start=1000):
        app.store.insert(one if one.id == PICTURED else replace(one, id=ObjectId(f"70af{number:020x}")))
    _log_of(app, _pictured())


def _waiting(name: str, queue: str, **before: float) -> Job:
    at = _at(**before)
    return a_job(name=name, handler=_call(name), queue=queue, run_at=at, created_at=min(at, _at(hours=1)))


def _given_up(name: str, error: str, minutes: float) -> Job:
    at = _at(minutes=minutes)
    times = {"failed_at": at, "finished_at": at, "run_at": at, "created_at": at - timedelta(minutes=8)}
    return a_failed_job(name=name, handler=_call(name), queue="search", error=error, place="books.py", **times)


def _running() -> Job:
    name, until = "books.import_catalogue", EVENING + timedelta(minutes=1)
    at = {"created_at": _at(minutes=9), "locked_at": _at(minutes=9), "locked_until": until}
    return a_running_job(name=name, handler=_call(name), queue="slow", locked_by="web.1", **at)


def _call(name: str) -> dict[str, Any]:
    return {"v": 1, "kind": "function", "target": name, "args": ["covers/4711.jpg"], "kwargs": {"width": 640}}


def _pictured() -> Job:
    """A job that has failed three times, with what was seen of it."""
    error = "OSError: cannot identify image file 'covers/4711.jpg'"
    trace = f'Traceback (most recent call last):\n  File "books.py", line 31, in resize_cover\n    open(path)\n{error}'
    ends = [_at(minutes=2.5), _at(minutes=2.3), _at(minutes=1)]
    errors = tuple(
        {"at": at, "attempt": number, "error": error, "trace": trace, "worker": "web.1"}
        for number, at in enumerate(ends, start=1)
    )
    return a_job(
        id=PICTURED,
        name="books.resize_cover",
        queue="pictures",
        state="failed",
        handler=_call("books.resize_cover"),
        attempts=3,
        max_attempts=3,
        created_at=_at(minutes=3),
        run_at=ends[-1],
        failed_at=ends[-1],
        finished_at=ends[-1],
        last_error=f"{error}\n{trace}",
        errors=errors,
        ran_by="web.1",
        took=timedelta(milliseconds=212),
        keep_log=8192,
        tags=("cover",),
    )


def _log_of(app: MongoJobs, one: Job) -> None:
    log = RunLog(a_held(id=one.id, keep_log=8192, locked_at=one.finished_at, locked_by="web.1"), str, lambda: None)
    for second, level, text in (
        (0.0, "INFO", "fetched 2 MB from covers/4711.jpg"),
        (0.2, "WARNING", "no EXIF, guessing"),
    ):
        log.lines.add(Entry(_at(minutes=1).timestamp() + second, level, text))
    app.log_store.write(log.gather(0.0))


def _fill_workers(app: MongoJobs) -> None:
    run = RunningJob(
        id=ObjectId(),
        name="books.import_catalogue",
        queue="slow",
        since=_at(minutes=9),
        progress=Progress(at=EVENING, done=31_200, of=40_000, note="publishers M to P"),
    )
    for number, running in enumerate(((run,), ()), start=1):
        app.worker_store.beat(
            WorkerStatus(
                name=f"web.{number}",
                host=f"shop-{number}",
                pid=7,
                started_at=_at(hours=5),
                queues=("default", "mail", "pictures", "slow", "search"),
                threads=4,
                busy=len(running),
                version="1",
                running=running,
                memory_bytes=81_000_000,
            )
        )


def _fill_figures(app: MongoJobs) -> None:
    chance = random.Random(7)
    for minutes in range(61):
        tally = StatsByJob()
        figures = tally.of("books.send_receipt", "mail")
        figures.outcomes["completed"] = 240 if minutes == 20 else chance.randrange(35, 75)
        figures.outcomes["retried"] = chance.randrange(0, 8)
        figures.outcomes["failed"] = int(minutes in (4, 11, 18, 39))
        app.stats_store.write({("minute", begin_of("minute", _at(minutes=minutes)), "p"): tally}, worker="web.1")
