"""``mongojobs explain``: what a reserve costs on the collection as it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mongojobs.cli.shared.failures import NO_INDEXES
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.core.words.wording import counted

if TYPE_CHECKING:
    from mongojobs.store.reader.explain import ReservePlan


@with_options(json_option())
@click.command(cls=Command, settings=("queues", "min_priority", "max_priority"))
@click.pass_context
def explain(context: click.Context, /, *, flags: dict[str, Any], as_json: bool) -> None:
    """Show what a reserve costs the database now.

    Explains the query of a worker with these queues and priorities; nothing is reserved. Exit status 5 if the index is
    missing.
    """
    from mongojobs.store.filters import QueueSelector

    with open_database(context.obj, flags) as database:
        settings = database.store.settings
        wanted = QueueSelector(
            queues=settings.queues, min_priority=settings.min_priority, max_priority=settings.max_priority
        )
        plan = database.operator.reader.explain_reserve(wanted)
    if as_json:
        print_json({**asdict(plan), "good": plan.is_good})
    else:
        _print(plan)
    if not plan.is_there:
        context.exit(NO_INDEXES)


def _print(plan: ReservePlan) -> None:
    how = f"the index {plan.index}" if plan.index else "no index: the server scans all jobs"
    say(f"A reserve uses {how}.")
    say(
        f"It reads {counted(plan.keys, 'key')} and {counted(plan.documents, 'document')}, in {plan.milliseconds} ms, to"
        f" find {'a job' if plan.found else 'that no job is due'}."
    )
    say(f"Stages: {' <- '.join(plan.stages)}")
    if not plan.is_there:
        say(f"The index {plan.wanted_index} is missing: run `mongojobs create-indexes`")
    elif not plan.is_good:
        say(f"It should read one document by the index {plan.wanted_index}: run `mongojobs create-indexes --check`")
    else:
        say("All is well, and will stay so however many jobs there are.")
