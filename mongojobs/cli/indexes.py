"""``mongojobs create-indexes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.failures import NO_INDEXES
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say
from mongojobs.core.words.wording import counted

if TYPE_CHECKING:
    from mongojobs.store.indexes import IndexReport

_COLUMNS: Final = (
    TableColumn("STATUS"),
    TableColumn("COLLECTION"),
    TableColumn("INDEX"),
    TableColumn("WHAT IT IS FOR"),
)


@with_options(
    own_option("--check", text="create nothing; exit status 5 if an index is missing or different", is_flag=True),
    own_option("--dry-run", text="create nothing; show what would be created", is_flag=True),
    json_option(),
)
@click.command(cls=Command)
@click.pass_context
def create_indexes(context: click.Context, /, *, check: bool, dry_run: bool, as_json: bool) -> None:
    """Create the indexes of the jobs; run it at each deploy.

    Everything works without them, but slower with each job. May be run any number of times, even while jobs are
    running.
    """
    from mongojobs.store import indexes

    options: GlobalOptions = context.obj
    with open_database(options) as database:
        look = indexes.check_indexes if check or dry_run else indexes.create_indexes
        report = look(database.store.collection)
    if as_json:
        print_json(_document(report, database))
    else:
        _print(report, is_real=not (check or dry_run))
        say(f"Jobs: {database.place}")
    if report.with_status("different") or (check and not report.is_complete):
        context.exit(NO_INDEXES)


def _print(report: IndexReport, *, is_real: bool) -> None:
    rows = [(one.status, one.collection, one.index.name, one.index.serves) for one in report.indexes]
    print_table(_COLUMNS, rows)
    say(f"\n{_summary(report, is_real=is_real)}.")
    for different in report.with_status("different"):
        say(f"Different: {different.remedy}", err=True)
    for limit in report.limits:
        say(f"Sharded: {limit}", err=True)


def _summary(report: IndexReport, *, is_real: bool) -> str:
    created, missing = report.with_status("created"), report.with_status("missing")
    if created:
        return f"Created {counted(len(created), 'index')}"
    if missing:
        return f"{counted(len(missing), 'index')} missing"
    if report.with_status("different"):
        return f"{counted(len(report.with_status('different')), 'index')} different"
    return "All indexes exist: nothing to do" if is_real else "All indexes exist"


def _document(report: IndexReport, database: Database) -> dict[str, object]:
    return {
        "database": database.name,
        "complete": report.is_complete,
        "limits": report.limits,
        "indexes": [
            {
                "name": one.index.name,
                "collection": one.collection,
                "keys": one.index.keys,
                "serves": one.index.serves,
                "status": one.status,
                "remedy": one.remedy or None,
            }
            for one in report.indexes
        ],
    }
