"""The settings: the one place where each has its name, default, parser and explanation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from mongojobs.core import checks
from mongojobs.core.errors import SettingsError
from mongojobs.core.limits import LARGEST_PAYLOAD, LARGEST_RESULT
from mongojobs.core.settings import parsing
from mongojobs.core.words.durations import format_duration


def _setting(default: Any, parse: checks.Check, explanation: str, *also: str, secret: bool = False) -> Any:
    """Declare a setting; *also* names delayed_job's environment variables, which are honoured after our own."""
    metadata = {"default": default, "parse": parse, "explanation": explanation, "also": also}
    return dataclasses.field(default_factory=lambda: default, metadata=metadata, repr=not secret)


_NO_ATTRIBUTES: Final[Mapping[str, Mapping[str, int]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of an app and its workers, checked when made.

    Durations may be given as ``timedelta``, as seconds, or as texts such as ``15m``. Raises SettingsError.
    """

    uri: str | None = _setting(
        None, parsing.text, "MongoDB URI of the jobs; default: the app's MongoEngine connection", secret=True
    )
    database: str | None = _setting(None, parsing.text, "database of the jobs; default: the one in the URI")
    collection: str = _setting("delayed_jobs", parsing.text, "collection of the jobs")
    db_alias: str = _setting("default", parsing.text, "MongoEngine alias whose connection holds the jobs")
    write_concern: str | int = _setting(
        "majority", parsing.write_concern, "how many nodes acknowledge a write; less than majority can lose jobs"
    )
    enqueue_timeout: timedelta = _setting(timedelta(seconds=10), checks.time_limit, "how long an enqueue keeps trying")

    imports: tuple[str, ...] = _setting(
        (), parsing.module_names, "further modules that declare jobs, imported along with the app; comma-separated"
    )
    delay_jobs: bool | Callable[..., bool] = _setting(
        True,
        parsing.truth_or_callable,
        "false: run jobs at once instead of storing them; a function decides for each job",
    )
    default_queue_name: str = _setting("default", checks.queue_name, "queue for jobs that name none")
    default_priority: int = _setting(0, parsing.priority, "priority for jobs that name none; lower runs first")
    queue_attributes: Mapping[str, Mapping[str, int]] = _setting(
        _NO_ATTRIBUTES,
        parsing.queue_attributes,
        'priority and size limit of queues, such as {"mail": {"priority": 10, "max_size": 10000}}',
    )
    max_payload_bytes: int = _setting(
        2**20, parsing.number(1, LARGEST_PAYLOAD), "largest payload accepted at enqueue; at most 6 MiB"
    )
    max_result_bytes: int = _setting(
        2**20,
        parsing.number(1, LARGEST_RESULT),
        "largest result that is kept, at most 4 MiB; a job with a larger one completes without",
    )
    switched_databases: tuple[str, ...] | Callable[[str], bool] = _setting(
        (), parsing.names_or_callable, "databases, besides those of the classes, whose documents jobs may refer to"
    )
    switched_collections: tuple[str, ...] | Callable[[str], bool] = _setting(
        (), parsing.names_or_callable, "collections, besides those of the classes, whose documents jobs may refer to"
    )

    max_attempts: int = _setting(25, parsing.number(1), "failures after which a job is given up on")
    max_run_time: timedelta = _setting(timedelta(hours=4), checks.time_limit, "how long a job may run")
    max_losses: int = _setting(5, parsing.number(1), "lost workers after which a job is given up on")
    max_releases: int = _setting(30, parsing.number(1), "interrupted runs after which a job is given up on")
    undeclared_for: timedelta = _setting(
        timedelta(days=1),
        checks.delay,
        "how long a job whose name no worker knows is deferred before it is given up on; 0: not at all",
    )
    retry_jitter: float = _setting(0.1, parsing.share, "share by which retry delays are randomly lengthened")
    destroy_failed_jobs: bool = _setting(
        False, parsing.truth, "delete jobs that are given up on instead of keeping them"
    )
    keep_completed: timedelta | None = _setting(
        None, checks.time_limit, "how long completed jobs are kept; default: not at all"
    )
    job_id_retention: timedelta = _setting(
        timedelta(days=1), checks.time_limit, "how long an ended job is kept if the caller chose its id"
    )

    stats_retention: timedelta = _setting(
        timedelta(days=14), checks.delay, "how long statistics about runs are kept; 0: none are collected"
    )

    log_retention: timedelta = _setting(
        timedelta(days=7), checks.time_limit, "how long what jobs with keep_log have logged is kept"
    )

    queues: tuple[str, ...] = _setting(
        (), parsing.queue_names, "queues to work on, comma-separated; default: all", "QUEUES", "QUEUE"
    )
    min_priority: int | None = _setting(None, parsing.priority, "lowest priority number to work on", "MIN_PRIORITY")
    max_priority: int | None = _setting(None, parsing.priority, "highest priority number to work on", "MAX_PRIORITY")
    threads: int = _setting(1, parsing.number(1, 1000), "jobs run concurrently in each process")
    processes: int = _setting(1, parsing.number(1, 1000), "worker processes")
    executor: str = _setting(
        "thread",
        parsing.choice("thread", "process"),
        "what runs a job: a thread of the worker, or a child process of its own",
    )
    max_jobs: int | None = _setting(
        None, parsing.number(1), "jobs after which a worker exits or, with executor=process, a child is replaced"
    )
    max_memory: int | None = _setting(
        None,
        parsing.size,
        "memory, such as 400M, above which a worker exits or, with executor=process, a child is replaced",
    )
    async_concurrency: int = _setting(
        10, parsing.number(1, 10_000), "async def jobs run concurrently in each process, in addition to the threads"
    )
    sleep_delay: timedelta = _setting(
        timedelta(seconds=5),
        checks.time_limit,
        "longest wait between polls of an empty queue; six times that while a change stream announces jobs",
        "SLEEP_DELAY",
    )
    read_ahead: int = _setting(
        500,
        parsing.number(0, 10_000),
        "maximum number of jobs reserved at once; 0: strictly one at a time",
        "READ_AHEAD",
    )
    schedules: bool = _setting(True, parsing.truth, "enqueue the jobs of schedules when they are due")
    exit_on_complete: bool = _setting(False, parsing.truth, "exit when nothing is due")
    lease: timedelta = _setting(timedelta(seconds=60), checks.time_limit, "how long a lock lasts without renewal")
    heartbeat: timedelta = _setting(timedelta(seconds=10), checks.time_limit, "how often locks are renewed")
    shutdown_timeout: timedelta = _setting(
        timedelta(seconds=25), checks.delay, "how long running jobs may continue after a stop"
    )
    boot_timeout: timedelta = _setting(
        timedelta(seconds=60),
        checks.time_limit,
        "how long a process may take to import the app before it is replaced; doubled each time",
    )
    timeout_grace: timedelta = _setting(
        timedelta(seconds=60), checks.time_limit, "how long a job's code may keep running after its timeout"
    )
    name: str | None = _setting(None, parsing.text, "label of the worker; default: host, process id and a random part")
    prefix: str = _setting("", str, "text put before the worker's label")
    redact: Callable[[str], str] | None = _setting(
        None, parsing.function, "function that removes secrets from an error's text before it is stored and logged"
    )
    on_failure: Callable[[Any], object] | None = _setting(
        None, parsing.function, "function that is given a Failure for each job that is given up on"
    )
    log_level: str = _setting("info", parsing.log_level, "lowest level to log, by name or number")
    log_format: str = _setting("auto", parsing.choice("auto", "text", "logfmt", "json"), "format of log lines")
    log_tracebacks: bool = _setting(True, parsing.truth, "log the tracebacks of failed jobs, with secrets masked")
    quiet: bool = _setting(False, parsing.truth, "log warnings and errors only", "QUIET")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not field.metadata["default"]:
                object.__setattr__(self, field.name, _parsed(field, value))
        self._check_together()

    def _check_together(self) -> None:
        if self.heartbeat > self.lease / 2:
            raise SettingsError(
                f"heartbeat must be at most half the lease ({format_duration(self.lease)}),"
                f" got {format_duration(self.heartbeat)}: two missed beats would lose every lock",
                setting="heartbeat",
            )
        if self.min_priority is not None and self.max_priority is not None and self.min_priority > self.max_priority:
            raise SettingsError(
                f"min_priority must not be above max_priority ({self.max_priority}), got {self.min_priority}",
                setting="min_priority",
            )

    def changed(self, **values: object) -> Settings:
        """Return these settings with *values* changed. Raises SettingsError."""
        refuse_unknown(values)
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]  # parsed in __post_init__


def explanation(name: str) -> str:
    """Return the one-line explanation of the setting *name*."""
    return str(Settings.__dataclass_fields__[name].metadata["explanation"])


def refuse_unknown(values: Mapping[str, object]) -> None:
    """Raise SettingsError for the first name that is not a setting."""
    for name in values:
        if name not in Settings.__dataclass_fields__:
            known = ", ".join(Settings.__dataclass_fields__)
            near = nearest(name, Settings.__dataclass_fields__)
            hint = f"{near} The" if near else ": the"
            raise SettingsError(f"unknown setting {name!r}{hint} settings are {known}", setting=name)


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return a question for the one of *known* that may have been meant; nothing if none is close."""
    near = get_close_matches(name, known, n=1)
    return f": did you mean {prefix}{near[0]}?" if near else ""


def _parsed(field: dataclasses.Field[Any], value: object) -> object:
    if value is None and field.metadata["default"] is None:
        return None
    try:
        return field.metadata["parse"](value)
    except ValueError as error:
        shown = "a URI" if field.name == "uri" else repr(value)
        raise SettingsError(f"{field.name} {error}, got {shown}", setting=field.name) from None
