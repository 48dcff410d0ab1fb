"""What can be wrong before the database is asked: settings, environment, versions of installed packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from mongojobs.app.doctor.findings import Finding, advice, fault
from mongojobs.core.lifecycle import Plugin
from mongojobs.core.settings import Settings
from mongojobs.core.words.durations import format_duration

SUPPORTED: Final[Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "pymongo": ((4, 13), (5,)),
    "mongoengine": ((0, 29, 1), (1,)),
}
"""The supported driver versions, from the first up to, but not including, the last."""

SHORTEST_LEASE: Final = timedelta(seconds=25)
"""A primary that hangs costs up to 45 s of standstill, a replaced one 12 s; a heartbeat must fit in as well."""

LEAVING: Final = timedelta(seconds=5)
"""How much longer than its ``shutdown_timeout`` a worker may take to exit."""

_HEROKU_GRANTS: Final = timedelta(seconds=30)
_USUAL_GRACE: Final = {
    "KUBERNETES_SERVICE_HOST": ("Kubernetes", timedelta(seconds=30), "terminationGracePeriodSeconds"),
    "RENDER": ("Render", timedelta(seconds=30), "maxShutdownDelaySeconds"),
    "FLY_APP_NAME": ("Fly", timedelta(seconds=5), "kill_timeout"),
}
"""By the variable that a platform sets: its name, the time it allows for a stop by default, and where to set it."""


def of_settings(settings: Settings) -> Iterator[Finding]:
    """Find what is wrong with the settings alone."""
    if settings.delay_jobs is False:
        yield fault(
            "delay_jobs",
            "delay_jobs is false: jobs run at once where they are enqueued, and none is stored",
            "set delay_jobs to true, except in tests",
        )
    if settings.write_concern != "majority":
        yield fault(
            "write_concern",
            f"write_concern is {settings.write_concern}: a failover can lose jobs, and run them again",
            'set write_concern to "majority"',
        )
    if settings.lease < SHORTEST_LEASE:
        yield fault(
            "short_lease",
            f"the lease is {format_duration(settings.lease)}: when the primary hangs for longer, running jobs are taken"
            " for lost and run twice",
            "set lease to 1m",
        )
    if settings.lease > settings.max_run_time:
        yield fault(
            "long_lease",
            f"the lease ({format_duration(settings.lease)}) is longer than max_run_time"
            f" ({format_duration(settings.max_run_time)}): the jobs of a dead worker wait longer than they may run",
            "set lease to 1m: it is renewed while a job runs, however long that is",
        )


def of_environment(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Find settings that do not fit the environment."""
    sets_it = "DYNO" in environ  # Heroku gives it to every process, whether anybody wants it or not
    if environ.get("WEB_CONCURRENCY") and not sets_it and settings.processes == settings.threads == 1:
        yield advice(
            "web_concurrency",
            f"WEB_CONCURRENCY={environ['WEB_CONCURRENCY']} is meant for web servers; a worker ignores it",
            "set MONGOJOBS_PROCESSES or MONGOJOBS_THREADS for more jobs at once",
        )
    timeout, needed = settings.shutdown_timeout, settings.shutdown_timeout + LEAVING
    if "DYNO" in environ and needed > _HEROKU_GRANTS:
        yield fault(
            "shutdown_timeout",
            f"shutdown_timeout is {format_duration(timeout)}, and Heroku kills a worker 30 s after telling it to stop:"
            " running jobs are lost instead of handed back",
            f"set shutdown_timeout to {format_duration(_HEROKU_GRANTS - LEAVING)} or less",
        )
    for variable, (platform, granted, where) in _USUAL_GRACE.items():
        if variable in environ and needed > granted:
            yield advice(
                "shutdown_timeout",
                f"shutdown_timeout is {format_duration(timeout)}, and {platform} kills a worker after"
                f" {format_duration(granted)} unless told otherwise",
                f"make sure that {where} is {format_duration(needed)} or more: mongojobs init prints it",
            )


def of_plugins(plugins: Iterable[Plugin]) -> Iterator[Finding]:
    """Find what plugins say is wrong with themselves."""
    for plugin in plugins:
        ask = getattr(plugin, "problem", None)  # which one that is no subclass of ours may not have
        if ask is not None and (said := ask()) is not None:
            what, remedy = said
            yield advice("plugin", f"{type(plugin).__name__}: {what}", remedy)


def of_command_line(*, shows_uri: bool) -> Iterator[Finding]:
    """Find secrets that everybody on the machine can see."""
    if shows_uri:
        yield fault(
            "uri_on_command_line",
            "the URI stands on the command line, where everybody on this machine can read the password",
            "set MONGOJOBS_URI or MONGODB_URI instead, and change the password if others use this machine",
        )


def of_versions(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Find drivers that mongojobs does not support."""
    for package, (first, end) in SUPPORTED.items():
        if not first <= _numbers(installed[package]) < end:
            wanted = f"{_dotted(first)} or newer, before {_dotted(end)}"
            yield fault(
                "driver",
                f"{package} {installed[package]} is installed, but mongojobs needs {wanted}",
                f'pip install "{package}>={_dotted(first)},<{_dotted(end)}"',
            )


def installed_versions() -> dict[str, str]:
    """Return the versions of the drivers."""
    return {package: version(package) for package in SUPPORTED}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))
