"""``mongojobs top``: queues and workers as they change, with keys to act; plain lines where there is no terminal."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.queues import QUEUE_COLUMNS, count_document, queue_document, queue_row, unknown_queue
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, json_text, say, shortened, table_lines
from mongojobs.cli.workers import WORKER_COLUMNS, run_lines, worker_document, worker_row
from mongojobs.core.words.wording import counted, in_words, iso, printable

if TYPE_CHECKING:
    from mongojobs.app.operations import Operator, Report
    from mongojobs.store.reader.failures import FailureGroup
    from mongojobs.store.workers import WorkerStatus

KEYS: Final = "p pause a queue   c continue it   r retry failed jobs   q quit"
MOST_FAILURES: Final = 5

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"
_FAILURES: Final = (
    TableColumn("FAILED", is_number=True, is_alarming=True),
    TableColumn("NAME"),
    TableColumn("ERROR"),
    TableColumn("PLACE"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to see at a moment."""

    report: Report
    workers: list[WorkerStatus]
    failures: list[FailureGroup]


@with_options(
    own_option(
        "--interval",
        text="how often to refresh",
        type=DurationType(),
        default="2s",
        show_default=True,
    ),
    own_option("--once", text="look once, and exit", is_flag=True),
    json_option(),
)
@click.command(cls=Command)
@click.pass_obj
def top(options: GlobalOptions, /, *, interval: timedelta, once: bool, as_json: bool) -> None:
    """Watch queues, workers and failures as they change.

    Keys: p pauses a queue, c continues it, r retries failed jobs, q quits. Where the output is not a terminal, a line
    is printed each time; with --json, one JSON document per line.
    """
    with open_database(options) as database:
        if as_json or once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            _print_lines(database, interval.total_seconds(), once=once, as_json=as_json)
        else:
            _Screen(database, interval.total_seconds()).run()


def look(operator: Operator) -> View:
    """Ask for everything once, each query with a limit."""
    return View(report=operator.report(), workers=operator.workers(), failures=operator.failures(latest=500))


def _print_lines(database: Database, seconds: float, *, once: bool, as_json: bool) -> None:
    """Print a line each time; while the database is away, say so and continue, unless *once*."""
    from mongojobs.core.errors import StoreUnavailableError

    while True:
        try:
            view = look(database.operator)
            click.echo(json_text(_document(view)) if as_json else printable(_line(view)))
        except StoreUnavailableError as error:
            if once:
                raise
            say(f"Error: {error}", err=True)
        if once:
            return
        try:
            threading.Event().wait(seconds)
        except KeyboardInterrupt:
            return


def _line(view: View) -> str:
    report = view.report
    counts = " ".join(f"{state}={count}" for state, count in report.by_state().items())
    busy, threads = sum(one.busy for one in view.workers), sum(one.threads for one in view.workers)
    paused = ",".join(queue.queue for queue in report.queues if queue.pause is not None) or "none"
    latency = f"{report.latency.total_seconds():.3f}"
    return (
        f"{iso(report.at)} {counts} latency={latency} workers={len(view.workers)} busy={busy}/{threads} paused={paused}"
    )


def _document(view: View) -> dict[str, Any]:
    report = view.report
    return {
        "at": report.at,
        "latency_seconds": report.latency,
        "counts": {state: count_document(count) for state, count in report.by_state().items()},
        "queues": [queue_document(queue) for queue in report.queues],
        "workers": [worker_document(worker, is_alive=True) for worker in view.workers],
        "failures": [
            {"count": one.count, "name": one.name, "error": one.error, "place": one.place, "last_seen": one.last_seen}
            for one in view.failures[:MOST_FAILURES]
        ],
    }


def screen_lines(view: View, place: str, *, width: int, height: int) -> list[str]:
    """Return what fits on the screen above its last two lines, which are for keys and questions."""
    report = view.report
    counts = "  ".join(f"{state} {count}" for state, count in report.by_state().items())
    lines = [f"{iso(report.at)}  {place}", f"{counts}  latency {in_words(report.latency)}", ""]
    lines += table_lines(QUEUE_COLUMNS, [queue_row(queue, report.at) for queue in report.queues]) or ["No jobs."]
    lines.append("")
    lines += table_lines(WORKER_COLUMNS, [worker_row(worker, report.at) for worker in view.workers]) or ["No workers."]
    if runs := run_lines(view.workers, report.at):
        lines += ["", *runs]
    if view.failures:
        lines.append("")
        rows = [(one.count, one.name, one.error, one.place or "-") for one in view.failures[:MOST_FAILURES]]
        lines += table_lines(_FAILURES, rows)
    return [shortened(printable(click.unstyle(line)), width) for line in lines][: max(height - 2, 1)]


class _Screen:
    """The live view: drawn over and over at the same place, on a screen of its own, until q is pressed."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._said = ""
        self._view = self._look()

    def run(self) -> None:
        """Show the view until the user quits."""
        with _keys_at_once():
            sys.stdout.write(_ENTER)
            try:
                while (key := self._next_keys(self._said)[:1]) not in ("q", "Q", "\x04"):
                    self._act(key)
            except KeyboardInterrupt:
                return
            finally:
                sys.stdout.write(_LEAVE)
                sys.stdout.flush()

    def _look(self) -> View:
        return look(self._database.operator)

    def _next_keys(self, said: str) -> str:
        """Draw the view, which is renewed from time to time, and return what is typed."""
        from mongojobs.core.errors import StoreUnavailableError

        while True:
            self._draw(said)
            ready, _, _ = select.select([sys.stdin.fileno()], [], [], self._seconds)
            if ready:
                return os.read(sys.stdin.fileno(), 64).decode(errors="ignore") or "q"
            try:
                self._view = self._look()
            except StoreUnavailableError as error:
                said = f"Error: {error}"

    def _draw(self, said: str) -> None:
        width, height = shutil.get_terminal_size()
        lines = screen_lines(self._view, self._database.place, width=width, height=height)
        last = [shortened(printable(said), width), shortened(KEYS, width)]
        drawn = f"{_REST_OF_LINE}\r\n".join([*lines, *last])
        sys.stdout.write(f"{_HOME}{drawn}{_REST_OF_LINE}{_REST_OF_SCREEN}")
        sys.stdout.flush()

    def _act(self, key: str) -> None:
        operator = self._database.operator
        match key:
            case "p" if queue := self._ask("Pause which queue? "):
                self._said = self._try(lambda: _pause(operator, queue))
            case "c" if queue := self._ask("Continue which queue? "):
                self._said = self._try(
                    lambda: f"Resumed {queue}" if operator.resume(queue) else f"The queue {queue} was not paused"
                )
            case "r" if self._ask("Retry all failed jobs? Type yes: ") == "yes":
                self._said = self._try(lambda: _retry_failed(operator))
            case _:
                self._said = ""

    def _try(self, act: Any) -> str:
        from mongojobs.core.errors import MongoJobsError

        try:
            return str(act())
        except MongoJobsError as error:
            return f"Error: {error}"

    def _ask(self, question: str) -> str:
        """Return what is typed up to Enter; nothing after Escape."""
        typed = ""
        while True:
            for character in self._next_keys(question + typed):
                match character:
                    case "\r" | "\n":
                        return typed.strip()
                    case "\x1b":
                        return ""
                    case "\x7f" | "\b":
                        typed = typed[:-1]
                    case _:
                        typed += character if character.isprintable() else ""


def _pause(operator: Operator, queue: str) -> str:
    paused = operator.pause(queue, reason="by mongojobs top").queue
    names = operator.queue_names()
    return f"Paused {paused}" if paused in names else f"Paused {paused}. {unknown_queue(paused, names)}"


def _retry_failed(operator: Operator) -> str:
    from mongojobs.core.actions import left_for_their_keys
    from mongojobs.core.job_filter import JobFilter

    retried = operator.retry_all(JobFilter(state="failed"))
    done = f"Ready again: {counted(retried, 'job')}"
    return f"{done}. {left_for_their_keys(retried.held)}" if retried.held else done


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Get each key when it is pressed, unseen; put the terminal back as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
