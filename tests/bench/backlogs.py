"""Drains in a collection that is full of other jobs: ready, ended, scheduled, locked, paused."""

import shutil
import tempfile

import click

from tests.bench.app import nothing
from tests.bench.drains import JOBS
from tests.bench.ground import Ground

_BYTES_A_JOB = 500
_SECONDS_A_MILLION = 40


def backlogs(ground: Ground) -> dict[str, float]:
    """The same drain with a thousand jobs and with a million, and among jobs of all kinds."""
    rates = {}
    limit = ground.size(JOBS)
    for backlog in (1000, 10_000, 100_000, 1_000_000):
        ground.clear()
        ground.fill(nothing, ground.size(backlog, least=50))
        rates[f"{backlog:,} ready"] = ground.drain(limit=min(limit, ground.size(backlog, least=50)))
    small = rates["1,000 ready"]
    about = ground.size(100_000)
    for priorities in (1, 100, 1000):
        ground.clear()
        ground.surround(nothing, failed=about, scheduled=about, priorities=min(priorities, about))
        ground.fill(nothing, limit)
        rates[f"{priorities:,} priorities about"] = ground.drain(limit=limit)
    return {
        "drain at 1M ready / at 1k": rates["1,000,000 ready"] / small,
        "drain with failed, future, locked jobs about / at 1k": min(
            value for name, value in rates.items() if name.endswith("about")
        )
        / small,
        **{f"jobs/s, {name}": value for name, value in rates.items()},
    }


def largest(ground: Ground) -> dict[str, float]:
    """The same drain with as many jobs as `--backlog` says ready, and completed."""
    backlog, limit, small = ground.size(ground.backlog), ground.size(JOBS), ground.size(1000)
    _tell_needs(backlog)
    rates = {}
    ground.clear()
    ground.fill(nothing, small)
    rates["alone"] = ground.drain(limit=small)
    ground.clear()
    ground.fill(nothing, backlog)
    rates["ready"] = ground.drain(limit=limit)
    ground.clear()
    ground.surround_by_completed(nothing, backlog)
    ground.fill(nothing, limit)
    rates["completed"] = ground.drain(limit=limit)
    return {
        "drain at the largest backlog / at 1k": rates["ready"] / rates["alone"],
        "drain with as many completed about / at 1k": rates["completed"] / rates["alone"],
        "M jobs, the largest backlog": backlog / 1e6,
    }


def _tell_needs(backlog: int) -> None:
    """Say what this many jobs need. Raises ClickException where the disk is too small."""
    folder = tempfile.gettempdir()
    needed, free = backlog * _BYTES_A_JOB / 1e9, shutil.disk_usage(folder).free / 1e9
    minutes = 2 * backlog / 1e6 * _SECONDS_A_MILLION / 60
    click.echo(
        f"   {backlog:,} jobs need some {needed:.1f} GB of {folder}, where {free:.1f} GB are free, and {minutes:.0f} "
        "minutes; --backlog says how many there are to be",
        err=True,
    )
    if free < needed:
        raise click.ClickException(f"{folder} has too little room: give a smaller --backlog, or another TMPDIR")


def paused(ground: Ground) -> dict[str, float]:
    """A paused queue of 40,000 jobs beside 80,000 of another."""
    limit = ground.size(JOBS)
    ground.clear()
    ground.fill(nothing, ground.size(80_000), queue="busy")
    free = ground.drain(limit=limit)
    ground.clear()
    ground.fill(nothing, ground.size(80_000), queue="busy")
    ground.fill(nothing, ground.size(40_000), queue="asleep", priority=-1)
    ground.pause("asleep")
    return {"40k paused beside 80k / nothing paused": ground.drain(limit=limit) / free}
