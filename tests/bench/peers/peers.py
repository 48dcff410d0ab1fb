"""The libraries that are measured."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.figures import Result, shown

OURS = "mongojobs"
A_LOOP = "a loop without a library"
_APPS = "tests.bench.peers.apps.with_"
COLUMNS = {
    "1 process": "jobs/s, 1 process",
    "2 processes": "2 processes",
    "cpu": "us of CPU a job",
    "one": "enqueues/s, one",
    "many": "many",
    "p50": "ms to the body, p50",
    "p95": "p95",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A library as it is measured, with the command that its users start a worker by."""

    name: str
    app: str
    server: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    jobs: int
    durability: str


def _celery(name: str, server: str, durability: str) -> Peer:
    command = ("celery", "--app", f"{_APPS}celery", "worker", "--pool", "solo")
    return Peer(name, f"{_APPS}celery", server, ("celery[redis]==5.7.0",), command, 4000, durability)


def _huey(name: str, server: str, durability: str) -> Peer:
    command = ("huey_consumer", f"{_APPS}huey.app")
    return Peer(name, f"{_APPS}huey", server, ("huey==3.5.4", "redis==6.4.0"), command, 10_000, durability)


PEERS = (
    Peer(
        OURS,
        f"{_APPS}mongojobs",
        "mongodb",
        (),
        ("mongojobs", "--app", f"{_APPS}mongojobs", "work"),
        20_000,
        "journal, majority",
    ),
    Peer(
        A_LOOP,
        f"{_APPS}a_loop",
        "mongodb",
        (),
        ("python", "-m", f"{_APPS}a_loop"),
        20_000,
        "journal, majority",
    ),
    Peer(
        "PgQueuer",
        f"{_APPS}pgqueuer",
        "postgresql",
        ("pgqueuer[asyncpg]==1.6.0",),
        ("python", "-m", f"{_APPS}pgqueuer"),
        20_000,
        "synchronous_commit = on",
    ),
    Peer(
        "Procrastinate",
        f"{_APPS}procrastinate",
        "postgresql",
        ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
        ("procrastinate", "--app", f"{_APPS}procrastinate.app", "worker"),
        2000,
        "synchronous_commit = on",
    ),
    _celery("Celery", "redis", "none: a snapshot now and then"),
    _celery("Celery, durable", "redis-durable", "appendfsync always"),
    _huey("Huey", "redis", "none: a snapshot now and then"),
    _huey("Huey, durable", "redis-durable", "appendfsync always"),
)


def measure_name(peer: str, column: str) -> str:
    """Return what a measure of a peer is called among all measures."""
    return f"{peer}: {column}"


def is_of_peer(name: str) -> bool:
    """Whether a measure of that name belongs into the table of peers."""
    return name.partition(": ")[0] in {peer.name for peer in PEERS}


def table(results: Iterable[Result]) -> str:
    """Return the medians of the peers that were measured as a table in Markdown; empty if there are none."""
    medians = {one.figure.name: one.median for one in results}
    lines = [
        f"| {' | '.join([peer.name, *_cells(peer, medians), _version(peer), peer.durability])} |"
        for peer in PEERS
        if any(measure_name(peer.name, column) in medians for column in COLUMNS)
    ]
    head = f"| | {' | '.join(COLUMNS.values())} | version | durability |\n|{'---|' * (len(COLUMNS) + 3)}"
    return "\n".join([head, *lines]) if lines else ""


def _cells(peer: Peer, medians: dict[str, float]) -> list[str]:
    found = [medians.get(measure_name(peer.name, column)) for column in COLUMNS]
    return ["" if value is None else shown(value) for value in found]


def _version(peer: Peer) -> str:
    return ", ".join(one.replace("==", " ") for one in peer.requirements) or ("" if peer.name == A_LOOP else "this one")
