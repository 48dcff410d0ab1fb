"""The drain against the backlog, drawn."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Result

_NAME = "jobs/s, "
_READY = " ready"


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw how fast jobs are drained, whatever the number of jobs that lie there, to a PNG or SVG file.

    Needs the workload `backlogs`, and Matplotlib: install it with `pip install -e '.[plot]'`.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise SystemExit("drawing needs Matplotlib: install it with pip install -e '.[plot]'") from None
    found = {one.figure.name.removeprefix(_NAME).removesuffix(_READY): one for one in results if _is_backlog(one)}
    if not found:
        raise SystemExit("there is nothing to draw: measure the workload backlogs")
    backlogs = [int(name.replace(",", "")) for name in found]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(backlogs, [one.median for one in found.values()], marker="o", color="#13795b")
    axes.set(xscale="log", xlabel="jobs ready when the drain begins", ylabel="jobs a second, one worker, one thread")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    figure.savefig(path)


def _is_backlog(result: Result) -> bool:
    return result.figure.name.startswith(_NAME) and result.figure.name.endswith(_READY)
