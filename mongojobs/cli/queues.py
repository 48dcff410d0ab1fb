"""``mongojobs queues``: ``list``, ``pause``, ``resume``; and ``mongojobs latency``."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, DurationType, Group, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say
from mongojobs.cli.shared.queue_completion import complete_queues
from mongojobs.core.words.wording import NONE, ago, in_words, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mongojobs.store.pauses import Pause
    from mongojobs.store.reader.counts import Count
    from mongojobs.store.reader.queues import QueueState, QueueStatus

QUEUE_STATES: Final[tuple[QueueState, ...]] = ("ready", "scheduled", "running", "cancelling", "failed")
QUEUE_COLUMNS: Final = (
    TableColumn("QUEUE"),
    TableColumn("READY", is_number=True),
    TableColumn("SCHEDULED", is_number=True),
    TableColumn("RUNNING", is_number=True),
    TableColumn("CANCELLING", is_number=True),
    TableColumn("FAILED", is_number=True, is_alarming=True),
    TableColumn("LATENCY", is_number=True),
    TableColumn("PAUSED"),
)
_LATENCY: Final = (TableColumn("QUEUE"), TableColumn("SECONDS", is_number=True))


@click.group(cls=Group)
def queues() -> None:
    """Look at queues, pause and resume them."""


@with_options(json_option())
@queues.command("list", cls=Command)
@click.pass_obj
def list_queues(options: GlobalOptions, /, *, as_json: bool) -> None:
    """List the queues that have jobs or are paused.

    Jobs are counted up to 10,000 in each; failed and running ones among the latest 10,000 of all queues.
    """
    with open_database(options) as database:
        found, now = database.operator.queues(), database.store.clock.now()
    if as_json:
        print_json({"at": now, "queues": [queue_document(queue) for queue in found]})
    elif found:
        print_table(QUEUE_COLUMNS, [queue_row(queue, now) for queue in found])
    else:
        say("No queue has jobs, and none is paused.")


@with_options(
    own_option("--for", "duration", text="how long; default: until it is resumed", type=DurationType()),
    own_option("--reason", text="why, for anyone who wonders", default="", metavar="TEXT"),
)
@queues.command(cls=Command)
@click.argument("queue", shell_complete=complete_queues)
@click.pass_obj
def pause(options: GlobalOptions, /, *, queue: str, duration: timedelta | None, reason: str) -> None:
    """Keep workers from reserving from QUEUE; running jobs go on, and jobs can still be enqueued.

    Workers notice within five seconds.
    """
    with open_database(options) as database:
        now = database.store.clock.now()
        until = None if duration is None else now + duration
        paused = database.operator.pause(queue, until=until, reason=reason)
        names = database.operator.queue_names()
    say(f"Paused {printable(queue)} {_until(paused, now)}.")
    if paused.queue not in names:
        say(unknown_queue(paused.queue, names), err=True)


@queues.command(cls=Command)
@click.argument("queue", shell_complete=complete_queues)
@click.pass_obj
def resume(options: GlobalOptions, /, *, queue: str) -> None:
    """Let workers reserve from QUEUE again."""
    with open_database(options) as database:
        if not database.operator.resume(queue):
            raise Failure(f"the queue {printable(queue)} was not paused", NO)
    say(f"Resumed {printable(queue)}.")


@with_options(json_option())
@click.command(cls=Command)
@click.argument("queue_names", metavar="[QUEUE]...", nargs=-1, shell_complete=complete_queues)
@click.pass_obj
def latency(options: GlobalOptions, /, *, queue_names: tuple[str, ...], as_json: bool) -> None:
    """Show how long the oldest due job of each queue has been waiting.

    In seconds. Scheduled jobs do not count until they are due, nor does a paused queue. With one QUEUE it prints the
    bare number, for scripts.
    """
    with open_database(options) as database:
        found, now = database.operator.latency(), database.store.clock.now()
    zero = timedelta(0)
    shown = {name: found.get(name, zero) for name in queue_names} if queue_names else found
    highest = max(shown.values(), default=zero)
    if as_json:
        listed = [{"queue": name, "latency_seconds": one} for name, one in shown.items()]
        print_json({"at": now, "latency_seconds": highest, "queues": listed})
    elif len(queue_names) == 1:
        say(_seconds(highest))
    else:
        rows = [(name, _seconds(one)) for name, one in shown.items()]
        print_table(_LATENCY, [*rows, ("all queues", _seconds(highest))])


queues.add_command(latency)


def unknown_queue(queue: str, names: Sequence[str]) -> str:
    """Return the sentence that *queue* is none of the known *names*, with the closest one."""
    nearest = "".join(f"; did you mean {printable(name)}?" for name in difflib.get_close_matches(queue, names, n=1))
    return f"Note: no job or worker names a queue {printable(queue)} at present{nearest}"


def queue_row(queue: QueueStatus, now: datetime) -> tuple[Any, ...]:
    """Return the cells of a row in the table of queues."""
    counts = queue.counts
    return (
        queue.queue,
        *(str(counts.of(state)) for state in QUEUE_STATES),
        in_words(queue.latency) if queue.latency else NONE,
        NONE if queue.pause is None else _paused(queue.pause, now),
    )


def queue_document(queue: QueueStatus) -> dict[str, object]:
    """Return a queue for ``--json``."""
    counts, pause = queue.counts, queue.pause
    return {
        "queue": queue.queue,
        **{state: count_document(counts.of(state)) for state in QUEUE_STATES},
        "latency_seconds": queue.latency,
        "pause": pause and {"since": pause.since, "until": pause.until, "reason": pause.reason},
    }


def count_document(count: Count) -> dict[str, object]:
    """Return a count that stops at a limit, for ``--json``."""
    return {"number": count.number, "exact": count.is_exact}


def _paused(pause: Pause, now: datetime) -> str:
    return f"{ago(pause.since, now)}, {_until(pause, now)}" + (f": {pause.reason}" if pause.reason else "")


def _until(pause: Pause, now: datetime) -> str:
    return "until it is resumed" if pause.until is None else f"for {in_words(pause.until - now)}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.3f}"
