"""What `scripts/bench` does."""

import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click

from tests.bench import backlogs, costs, dashboards, drains, enqueues, features, latencies, progress, twins
from tests.bench.figures import Figure, Result, gathered, keep, put, saved, table
from tests.bench.ground import Ground
from tests.bench.peers.measuring import measure_peers, turns
from tests.bench.peers.peers import PEERS, is_of_peer
from tests.bench.peers.peers import table as peers_table

FIGURES = {
    figure.name: figure
    for figure in (
        Figure("us of CPU a job, worker with its log to a file", "<=", 100, 60),
        Figure("us of CPU a job, worker with its log to a pipe", "<=", 100, 60),
        Figure("us of CPU a job, server", "<=", 100, 80),
        Figure("CPU of a job that keeps its result / a plain job", "<=", 1.5),
        Figure("drain / naive loop", ">=", 25, 35),
        Figure("drain / reference loop", ">=", 0.7, 0.85),
        Figure("drain / PgQueuer in batches of 100, 1 process", ">=", 1.2, 1.5),
        Figure("drain / PgQueuer in batches of 100, 2 processes", ">=", 1.2, 1.5),
        Figure("drain, 4 threads / 1 thread", ">=", 0.95, 1),
        Figure("drain, 16 threads / 1 thread", ">=", 0.95, 1),
        Figure("jobs that wait 1 ms, 16 threads / ideal", ">=", 0.5, 0.8),
        Figure("jobs that wait 1 ms, 16 threads on one core / ideal", ">=", 0.5, 0.8),
        Figure("drain, 2 processes / 1 process, least of five", ">=", 1.3, 1.6),
        Figure("drain, 2 processes / what the cores have for them", ">=", 0.85, 0.95),
        Figure("drain, 4 processes / 1 process", ">=", 0.9, 1.1),
        Figure("drain, executor process / executor thread", ">=", 0.15, 0.3),
        Figure("drain, read_ahead=0 / naive loop", ">=", 0.85),
        Figure("enqueue one / insert_one", ">=", 0.93, 0.97),
        Figure("delay_many / insert_many", ">=", 0.6, 0.75),
        Figure("CPU of an enqueue, with a unique key / without", "<=", 1.1, 1.05),
        Figure("CPU of delay_many, with unique keys / without", "<=", 2.2, 1.5),
        Figure("drain, with unique keys / without", ">=", 0.85, 0.97),
        Figure(twins.HELD_UP, "<=", 1),
        Figure(twins.LOOP_CPU, "<=", 100, 60),
        Figure("% of a core, idle, 200 schedules declared", "<=", 1, 0.3),
        Figure("CPU of a job, 200 schedules declared / none", "<=", 1.03, 1),
        Figure("CPU of a job / before", "<=", 1.03, 1),
        Figure("CPU of an enqueue / before", "<=", 1.03, 1),
        Figure("ms from enqueue to body, p50", "<=", 8, 5),
        Figure("ms from enqueue to body, p95", "<=", 20, 10),
        Figure("ms from enqueue to body, p50 / bare loop", "<=", 1.05, 1),
        Figure("ms from enqueue to body, p95 / bare loop", "<=", 1.2, 1),
        Figure("ms from enqueue to body, 8 idle workers, p50", "<=", 15, 7),
        Figure("ms from enqueue to body, standalone server, p50", "<=", 150, 50),
        Figure("% of a core, idle on a standalone server", "<=", 1),
        Figure("drain at 1M ready / at 1k", ">=", 0.8, 0.95),
        Figure("drain at the largest backlog / at 1k", ">=", 0.9),
        Figure("drain with as many completed about / at 1k", ">=", 0.9),
        Figure("drain with failed, future, locked jobs about / at 1k", ">=", 0.8, 0.95),
        Figure("last 5k / first 5k of 60k", ">=", 0.6, 0.95),
        Figure("16 workers / best of 1 to 16", ">=", 0.4, 0.7),
        Figure("double runs", "<=", 0, 0),
        Figure("40 jobs of 1 s, 2 workers: last finish / ideal", "<=", 1.2, 1.05),
        Figure("s until an urgent job behind 100k begins", "<=", 0.6, 0.3),
        Figure("ms late, run_in=1, p95", "<=", 30, 10),
        Figure("40k paused beside 80k / nothing paused", ">=", 0.8, 0.95),
        Figure("ms until the first job of a rare queue begins", "<=", 50, 10),
        Figure("% of a core, idle", "<=", 1),
        Figure("commands/s, idle", "<=", 0.5, 0.3),
        Figure("MiB above the bare app", "<=", 25),
        Figure("renewal of 100 jobs with progress / without", "<=", 2.5),
        Figure("ms, mongojobs --help", "<=", 150),
        Figure("ms, the slowest page of the dashboard, 1M jobs", "<=", 100),
        Figure("ms, the slowest page of the dashboard, 20 processes of 200 names", "<=", 300),
    )
}
WORKLOADS: dict[str, Callable[[Ground], dict[str, float]]] = {
    workload.__name__: workload
    for workload in (
        drains.one_worker,
        drains.processes,
        drains.waits,
        drains.executors,
        backlogs.backlogs,
        backlogs.largest,
        drains.sustained,
        drains.contention,
        drains.hoarding,
        backlogs.paused,
        enqueues.enqueues,
        twins.event_loop,
        features.keys,
        features.schedules,
        features.before,
        latencies.idle,
        latencies.many_idle,
        latencies.standalone,
        latencies.on_time,
        latencies.urgent,
        latencies.rare,
        costs.job_cost,
        costs.result_cost,
        costs.idle_cost,
        costs.beginnings,
        progress.progress_cost,
        dashboards.dashboard,
    )
}
_QUICK = 0.01
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="how often to measure everything")
@click.option("--only", multiple=True, type=click.Choice([*WORKLOADS]), help="only this workload; may be repeated")
@click.option("--quick", is_flag=True, help="a hundredth of each size: tells whether it works, not how fast")
@click.option("--peers", is_flag=True, help="only beside other libraries, which are installed for it; needs PyPI")
@click.option(
    "--peer", "chosen", multiple=True, type=click.Choice([one.name for one in PEERS[2:]]), help="only this peer"
)
@click.option("--backlog", default=10_000_000, show_default=True, type=click.IntRange(1), help="jobs of `largest`")
@click.option(
    "--before", type=_FOLDER, help="an earlier version's repository, to measure what it costs to use no feature"
)
@click.option("--save", type=_FILE, help="add the figures to this file as they come; a cut --peers goes on with it")
@click.option("--join", multiple=True, type=_FILE, help="measure nothing: join what was saved; may be repeated")
@click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
@click.option("--write", multiple=True, type=_FILE, help="put what was measured into the tables of this page, too")
@click.option("--plot", type=_FILE, help="draw the drain against the backlog; PNG or SVG")
def main(
    *,
    runs: int,
    only: tuple[str, ...],
    quick: bool,
    peers: bool,
    chosen: tuple[str, ...],
    backlog: int,
    before: Path | None,
    save: Path | None,
    join: tuple[Path, ...],
    as_json: bool,
    write: tuple[Path, ...],
    plot: Path | None,
) -> None:
    """Measure mongojobs beside loops without a library, in one run and in turns.

    The figures are ratios where they can be: those of two machines, or of one at two moments, say little.
    """
    if join:
        measured, expected = [found for file in join for found in saved(file)], 0
    else:
        ground = Ground(os.environ["MONGODB_URI"], _QUICK if quick else 1, backlog, before)
        names = only or tuple(WORKLOADS)
        peers = peers or bool(chosen)
        beside = chosen or tuple(one.name for one in PEERS[2:])
        measured = [*(_measured_peers(ground, beside, runs, save) if peers else _measured(ground, names, runs, save))]
        expected = turns(ground, runs) if peers else runs * len(names)
    results = gathered(measured, FIGURES)
    _write(results, write)
    click.echo(json.dumps([one.as_json() for one in results], indent=2) if as_json else _tables(results))
    if plot is not None:
        from tests.bench.plot import draw

        draw(results, plot)
    if len(measured) < expected:
        raise click.ClickException("not all could be measured: see above")
    if not quick:
        sys.exit(any(one.verdict == "MISSED" for one in results))


def _write(results: list[Result], pages: Iterable[Path]) -> None:
    """Put the figures that have bounds, and the peers, into the tables of *pages*."""
    tables = table(one for one in results if one.verdict), peers_table(results)
    for page, new in itertools.product(pages, filter(None, tables)):
        put(new, page)


def _tables(results: list[Result]) -> str:
    """Return the table of all figures, and that of the peers if they were measured."""
    figures = [one for one in results if not is_of_peer(one.figure.name)]
    return "\n\n".join(filter(None, [table(figures), peers_table(results)]))


def _measured(ground: Ground, names: Sequence[str], runs: int, file: Path | None) -> Iterator[dict[str, float]]:
    """Measure and save one workload after the other; one that fails is reported and left out."""
    for run, name in itertools.product(range(1, runs + 1), names):
        begun = time.monotonic()
        click.echo(f"== run {run}: {name}", err=True)
        try:
            found = WORKLOADS[name](ground)
        except Exception as error:  # noqa: BLE001 - the others take long enough to be worth having
            is_told = isinstance(error, click.ClickException)
            click.echo(f"   {error}" if is_told else traceback.format_exc(), err=True)
            continue
        click.echo(f"   {time.monotonic() - begun:.0f} s", err=True)
        if file is not None:
            keep(found, file)
        yield found


def _measured_peers(ground: Ground, beside: Sequence[str], runs: int, file: Path | None) -> Iterator[dict[str, float]]:
    """Measure the peers and save each turn; the turns of a run that was cut short stand in *file* already."""
    had = [found for found in saved(file) if any(map(is_of_peer, found))] if file is not None and file.exists() else []
    yield from had
    for found in measure_peers(ground, beside, runs=runs, done=len(had)):
        if file is not None:
            keep(found, file)
        yield found


if __name__ == "__main__":
    main()
