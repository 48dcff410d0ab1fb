"""What `scripts/bench` does."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from tests.bench import costs, dashboards, drains, enqueues, latencies
from tests.bench.figures import Figure, gathered, table
from tests.bench.ground import Ground

FIGURES = {
    figure.name: figure
    for figure in (
        Figure("drain / naive loop", ">=", 10, 25),
        Figure("drain / reference loop", ">=", 0.4, 0.75),
        Figure("drain, 4 threads / 1 thread", ">=", 0.9, 1.1),
        Figure("drain, 16 threads / 1 thread", ">=", 0.9, 1.1),
        Figure("drain, 2 processes / 1 thread", ">=", 0.9, 1.1),
        Figure("drain, 4 processes / 1 thread", ">=", 0.9, 1.1),
        Figure("drain, read_ahead=0 / naive loop", ">=", 0.85),
        Figure("enqueue one / insert_one", ">=", 0.85, 0.95),
        Figure("delay_many / insert_many", ">=", 0.4, 0.65),
        Figure("ms from enqueue to body, p50", "<=", 8, 5),
        Figure("ms from enqueue to body, p95", "<=", 20, 10),
        Figure("ms from enqueue to body, 8 idle workers, p50", "<=", 15, 7),
        Figure("ms from enqueue to body, standalone server, p50", "<=", 150, 50),
        Figure("% of a core, idle on a standalone server", "<=", 1),
        Figure("drain at 1M ready / at 1k", ">=", 0.8, 0.95),
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
        Figure("ms, mongojobs --help", "<=", 150),
        Figure("ms, the slowest page of the dashboard, 1M jobs", "<=", 300, 100),
    )
}
WORKLOADS: dict[str, Callable[[Ground], dict[str, float]]] = {
    workload.__name__: workload
    for workload in (
        drains.one_worker,
        drains.backlogs,
        drains.sustained,
        drains.contention,
        drains.hoarding,
        drains.paused,
        enqueues.enqueues,
        latencies.idle,
        latencies.standalone,
        latencies.on_time,
        latencies.urgent,
        latencies.rare,
        costs.idle_cost,
        costs.beginnings,
        dashboards.dashboard,
    )
}
_QUICK = 0.01


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="how often to measure everything")
@click.option("--only", multiple=True, type=click.Choice([*WORKLOADS]), help="only this workload; may be repeated")
@click.option("--quick", is_flag=True, help="a hundredth of each size: tells whether it works, not how fast")
@click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="draw the drain against the backlog; PNG or SVG"
)
def main(*, runs: int, only: tuple[str, ...], quick: bool, as_json: bool, plot: Path | None) -> None:
    """Measure mongojobs beside loops without a library, in one run and in turns.

    The figures are ratios where they can be: those of two machines, or of one at two moments, say little.
    """
    ground = Ground(os.environ["MONGODB_URI"], scale=_QUICK if quick else 1)
    measured = [_measured(ground, only or tuple(WORKLOADS), run) for run in range(1, runs + 1)]
    results = gathered(measured, FIGURES)
    click.echo(json.dumps([one.as_json() for one in results], indent=2) if as_json else table(results))
    if plot is not None:
        from tests.bench.plot import draw

        draw(results, plot)
    if not quick:
        sys.exit(any(one.verdict == "MISSED" for one in results))


def _measured(ground: Ground, names: tuple[str, ...], run: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in names:
        click.echo(f"== run {run}: {name}", err=True)
        found |= WORKLOADS[name](ground)
    return found


if __name__ == "__main__":
    main()
