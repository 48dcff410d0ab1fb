"""What `scripts/mongod` does."""

import os
import sys
from argparse import ArgumentParser, Namespace

from tests.support.mongod import binaries, command, state
from tests.support.mongod.cluster import ShardedCluster
from tests.support.mongod.deployment import Deployment
from tests.support.mongod.errors import MongodError
from tests.support.mongod.server import Server
from tests.support.mongod.steps import say
from tests.support.mongod.uri import with_database

DATABASE = "mongojobs"
"""The one that printed URIs name: commands refuse a URI without a database."""


def main() -> int:
    """Run one subcommand and return its exit status."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.action(arguments))
    except MongodError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _start(arguments: Namespace) -> int:
    given = os.environ.get("MONGOJOBS_TEST_URI")
    if given:
        say("Nothing to start: MONGOJOBS_TEST_URI names a server")
        print(given)
        return 0
    with state.one_at_a_time():
        running = state.recall()
        if running:
            say("A server runs already")
        else:
            running = _start_detached(arguments)
    print(with_database(running.uri, DATABASE))
    say("Stop it with: scripts/mongod stop")
    return 0


def _start_detached(arguments: Namespace) -> state.Running:
    _announce(arguments)
    server = _deployment(arguments, own=True, detached=True).start()
    running = state.Running.of(server)
    state.remember(running)
    return running


def _stop(_arguments: Namespace) -> int:
    with state.one_at_a_time():
        running = state.recall()
        if not running:
            raise MongodError("No server runs: start one with scripts/mongod start.")
        running.stop()
        state.forget()
    say("Stopped")
    return 0


def _uri(_arguments: Namespace) -> int:
    given = os.environ.get("MONGOJOBS_TEST_URI")
    with state.one_at_a_time():
        running = state.recall()
    if given:
        print(given)
    elif running:
        print(with_database(running.uri, DATABASE))
    else:
        raise MongodError("No server runs: start one with scripts/mongod start.")
    return 0


def _run(arguments: Namespace) -> int:
    _announce(arguments)
    with _deployment(arguments) as server:
        uri = with_database(server.uri, DATABASE)
        return command.run(arguments.command, os.environ | {"MONGOJOBS_TEST_URI": uri, "MONGODB_URI": uri})


def _fetch(_arguments: Namespace) -> int:
    if os.environ.get("MONGOJOBS_TEST_URI"):
        say("Nothing to fetch: MONGOJOBS_TEST_URI names a server")
    else:
        say(f"MongoDB is {binaries.find().path}")
    return 0


def _deployment(arguments: Namespace, *, own: bool = False, detached: bool = False) -> Deployment:
    if arguments.sharded:
        return ShardedCluster(own=own, detached=detached)
    return Server(arguments.replica_set, own=own, detached=detached)


def _announce(arguments: Namespace) -> None:
    if os.environ.get("MONGOJOBS_TEST_URI"):
        say("Using the MongoDB that MONGOJOBS_TEST_URI names")
    elif arguments.sharded:
        say("Starting MongoDB as a sharded cluster of two shards")
    elif arguments.replica_set:
        say(f"Starting MongoDB as a replica set of {arguments.replica_set}")
    else:
        say("Starting MongoDB standalone")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="scripts/mongod", description="A real MongoDB for tests, demos and trying things out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start a server that runs until `stop`, and print its URI")
    start.set_defaults(action=_start)
    stop = commands.add_parser("stop", help="stop the started server and remove its data")
    stop.set_defaults(action=_stop)
    uri = commands.add_parser("uri", help="print the URI of the started server")
    uri.set_defaults(action=_uri)
    run = commands.add_parser("run", help="run a command with MONGOJOBS_TEST_URI and MONGODB_URI set to a fresh server")
    run.set_defaults(action=_run)
    fetch = commands.add_parser("fetch", help="fetch MongoDB, unless it is there")
    fetch.set_defaults(action=_fetch)
    for command_parser in (start, run):
        kind = command_parser.add_mutually_exclusive_group()
        kind.add_argument("--replica-set", type=int, choices=(1, 3), default=1, help="number of nodes (default: 1)")
        kind.add_argument("--standalone", dest="replica_set", action="store_const", const=0, help="no replica set")
        kind.add_argument("--sharded", action="store_true", help="a router and two shards")
    run.add_argument("command", nargs="+", metavar="-- COMMAND", help="the command and its arguments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
