"""``mongojobs schedules next``: when an expression is due."""

from __future__ import annotations

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say

_COLUMNS = (TableColumn("HERE"), TableColumn("UTC"))


@with_options(
    own_option("--tz", text="time zone of EXPRESSION, such as Europe/Athens", default="UTC", metavar="ZONE"),
    own_option("-n", "--number", text="how many times", type=click.IntRange(1, 1000), default=10, show_default=True),
    json_option(),
)
@click.command("next", cls=Command)
@click.argument("expression")
@click.pass_obj
def next_times(options: GlobalOptions, /, *, expression: str, tz: str, number: int, as_json: bool) -> None:  # noqa: ARG001 - click passes it
    """Show when EXPRESSION is due next: cron, a duration such as 15m, or words.

    Needs no database. Also names the days that EXPRESSION unexpectedly leaves out, such as when the clocks change.
    """
    from mongojobs.core.clock import SystemClock
    from mongojobs.schedules.times import expression as expressions
    from mongojobs.schedules.times.explain import in_words
    from mongojobs.schedules.times.notes import notes
    from mongojobs.schedules.times.zones import zone_called

    times, zone, now = expressions.parse_times(expression), zone_called(tz), SystemClock().now()
    due = expressions.next_times(times, now, zone, number=number)
    told = notes(times, zone, now=now)
    if as_json:
        print_json(
            {"expression": times.text, "words": in_words(times), "tz": zone.key, "next": due, "notes": told},
        )
        return
    say(f"{in_words(times)}, in {zone.key}")
    print_table(_COLUMNS, [(f"{one.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z}", f"{one:%H:%M:%S}") for one in due])
    for note in told:
        say(f"Note: {note}", err=True)
