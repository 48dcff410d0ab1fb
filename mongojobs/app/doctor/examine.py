"""The doctor: examines everything that jobs depend on, and says what is wrong and what to do about it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from mongojobs.app.doctor import database_checks, local_checks
from mongojobs.app.doctor.database_checks import Check, DoctorContext
from mongojobs.app.doctor.findings import Diagnosis, Finding, advice, fault, sorted_findings
from mongojobs.app.mongojobs import MongoJobs
from mongojobs.core.clock import Clock, SystemClock
from mongojobs.core.errors import DOCS, ConfigurationError, ServerTooOldError, StoreUnavailableError
from mongojobs.store.clients import SHORT_PATIENCE, server_version, topology
from mongojobs.store.faults import DatabaseError, describe, is_refused
from mongojobs.store.jobs import JobStore
from mongojobs.store.pauses import PauseStore
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.store.time_limits import time_limit
from mongojobs.store.workers import WorkerStore
from mongojobs.version import __version__
from mongojobs.worker.connecting import Connections

PATIENCE: Final = timedelta(seconds=10)
"""How long each request to the database may take; the server aborts longer ones."""


def examine(
    app: MongoJobs,
    environ: Mapping[str, str],
    *,
    named: str | None = None,
    shows_uri: bool = False,
    wall: Clock | None = None,
) -> Diagnosis:
    """Examine *app* and the database of its jobs. Changes nothing, and raises none of the database's errors.

    *named* tells people what was imported for it, if anything was. *shows_uri* says that the URI was given on the
    command line; *wall* is the clock of this machine.
    """
    installed = local_checks.installed_versions()
    facts = {
        "mongojobs": __version__,
        "Python": platform.python_version(),
        "PyMongo": installed["pymongo"],
        "MongoEngine": installed["mongoengine"],
    }
    findings = [
        *local_checks.of_versions(installed),
        *local_checks.of_command_line(shows_uri=shows_uri),
        *_of_app(app, environ),
    ]
    try:
        connections = app.connect_worker(app.settings, patience=SHORT_PATIENCE)
    except (ConfigurationError, StoreUnavailableError) as error:
        return Diagnosis(facts, sorted_findings([*findings, _unreachable(error)]))
    try:
        facts |= _facts(connections)
        stores = Stores(connections.store, connections.workers, connections.pauses)
        findings += _examined(_patient(app, stores, named=named, wall=wall or SystemClock()))
    finally:
        connections.close()
    return Diagnosis(facts, sorted_findings(findings))


def look_from_here(
    app: MongoJobs, environ: Mapping[str, str], *, but: frozenset[Check] = frozenset()
) -> tuple[Finding, ...]:
    """Return what is wrong with *app* as far as its own connection shows, *but* what these checks would find.

    Raises StoreUnavailableError.
    """
    patient = _patient(app, Stores(app.store, app.worker_store, app.pauses), named=None, wall=SystemClock())
    return sorted_findings([*_of_app(app, environ), *_examined(patient, but=but)])


def _of_app(app: MongoJobs, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Find what is wrong with *app* and its process, without asking the database."""
    yield from local_checks.of_settings(app.settings)
    yield from local_checks.of_environment(app.settings, environ)
    yield from local_checks.of_plugins(app.plugins)


@dataclass(frozen=True, slots=True)
class Stores:
    """What is examined, over whichever connection."""

    jobs: JobStore
    workers: WorkerStore
    pauses: PauseStore


def _patient(app: MongoJobs, stores: Stores, *, named: str | None, wall: Clock) -> DoctorContext:
    store = stores.jobs
    return DoctorContext(
        store=store,
        reader=JobReader(store.queries),
        workers=stores.workers,
        pauses=stores.pauses,
        payloads=app.payloads,
        app_client=app.link.client,
        named=named,
        wall=wall,
    )


def _examined(patient: DoctorContext, *, but: frozenset[Check] = frozenset()) -> Iterator[Finding]:
    for check in (one for one in database_checks.CHECKS if one not in but):
        try:
            with time_limit(PATIENCE.total_seconds()):
                yield from list(check(patient))
        except DatabaseError as error:
            yield _not_seen(check.__name__.removeprefix("of_").replace("_", " "), error)


def _not_seen(what: str, error: Exception) -> Finding:
    remedy = "check whether the database is overloaded, then look again"
    if is_refused(error):
        remedy = f"connect as a user who may: the roles are in {DOCS}/security.md"
    return advice("not_seen", f"the {what} could not be examined: {describe(error)}", remedy)


def _unreachable(error: Exception) -> Finding:
    if isinstance(error, ServerTooOldError):
        return fault("server_version", str(error), "upgrade the server to MongoDB 6.0 or newer")
    if isinstance(error, StoreUnavailableError) and error.refused:
        return fault(
            "connection",
            str(error),
            "check that user, password and authSource in the URI are right, that the user has the role of a worker, and"
            " that the server knows what the URI asks for",
        )
    if isinstance(error, StoreUnavailableError):
        return fault(
            "connection",
            str(error),
            "check that the server is running, that the host in the URI is right, and that no firewall or Atlas access"
            " list keeps this machine out",
        )
    return fault("connection", str(error), "set MONGODB_URI, or connect in the app")


def _facts(connections: Connections) -> dict[str, str]:
    """Return what is known about the server and the workers; what cannot be asked is left out."""
    facts: dict[str, str] = {}
    client = connections.store.collection.database.client
    with suppress(DatabaseError), time_limit(PATIENCE.total_seconds()):
        facts["MongoDB"] = f"{server_version(client)}, {topology(client)}"
        facts["workers alive"] = str(len(connections.workers.alive()))
    return facts
