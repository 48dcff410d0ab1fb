"""What is measured of each peer, and in which order."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from tests.bench.ground import Ground
from tests.bench.peers.environment import Installed, install, own_environment
from tests.bench.peers.moments import cpu_microseconds, latencies, rate
from tests.bench.peers.peers import A_LOOP, OURS, PEERS, Peer, measure_name
from tests.bench.peers.servers import MissingError, server

_TURNS = 3
_ENQUEUES = 500
_SPREAD = 60


def measure_peers(ground: Ground, beside: Sequence[str], *, runs: int, done: int) -> Iterator[dict[str, float]]:
    """Measure us and a loop *beside* peers in turns, and give what each turn found; *done* of them are known."""
    with ExitStack() as stack:
        peers = [*_available(stack, (OURS, A_LOOP, *beside))]
        for turn in range(done, turns(ground, runs)):
            found: dict[str, float] = {}
            for peer in peers:
                click.echo(f"== peers, turn {turn + 1}: {peer.peer.name}", err=True)
                with _told_if_missing():
                    measured = _measured(peer, ground)
                    found |= {measure_name(peer.peer.name, column): value for column, value in measured.items()}
            yield compared(found) | found


def turns(ground: Ground, runs: int) -> int:
    """Return how many turns *runs* are."""
    return runs * len(ground.turns(_TURNS))


def compared(found: Mapping[str, float]) -> dict[str, float]:
    """Return our drain and that of a loop beside that of the only peer that takes batches, as far as both are known."""
    ratios = {}
    for who, of in (("drain", OURS), ("a loop's drain", A_LOOP)):
        for shape in ("1 process", "2 processes"):
            one, theirs = (found.get(measure_name(name, shape)) for name in (of, "PgQueuer"))
            if one and theirs:
                ratios[f"{who} / PgQueuer in batches of 100, {shape}"] = one / theirs
    return ratios


def _available(stack: ExitStack, names: Sequence[str]) -> Iterator[Installed]:
    """Start the servers and install the peers of these *names*, as far as that can be done."""
    programs = stack.enter_context(own_environment())
    urls: dict[str, str] = {}
    for peer in (one for one in PEERS if one.name in names):
        with _told_if_missing():
            if peer.server not in urls:
                urls[peer.server] = stack.enter_context(server(peer.server))
            yield _installed(peer, programs, urls[peer.server])


def _installed(peer: Peer, programs: Path, url: str) -> Installed:
    if not peer.requirements:
        return Installed(peer, Path(sys.executable).parent, url)
    install(peer.requirements, programs)
    return Installed(peer, programs, url)


@contextmanager
def _told_if_missing() -> Iterator[None]:
    """Say what is missing, and go on."""
    try:
        yield
    except MissingError as missing:
        click.echo(f"   {missing}", err=True)


def _measured(peer: Installed, ground: Ground) -> dict[str, float]:
    """Measure one peer once."""
    found = {}
    for processes, shape in enumerate(("1 process", "2 processes"), start=1):
        count = ground.size(peer.peer.jobs * processes, least=200)
        peer.enqueue("prepare")
        found["many"] = count / peer.enqueue("many", count)
        with peer.working(processes) as workers:
            pass
        found[shape] = rate(workers)
        if processes == 1:
            found["cpu"] = cpu_microseconds(workers[0])
    peer.enqueue("prepare")
    with peer.working() as workers:
        peer.settle()
        peer.enqueue("spread", ground.size(_SPREAD, least=10))
    found["p50"], found["p95"] = latencies(workers[0])
    peer.enqueue("prepare")
    few = ground.size(_ENQUEUES)
    found["one"] = few / peer.enqueue("one", few)
    return found
