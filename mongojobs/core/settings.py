"""The settings: one place where each has its name, default, check and explanation.

They come from four sources, the first one that names a setting wins: command-line flags, environment variables
(``MONGOJOBS_`` and the name in capitals), ``[tool.mongojobs]`` in ``pyproject.toml``, and the app's own
``mongojobs.configure(...)``.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from mongojobs.core.calling import generator_kind, is_async
from mongojobs.core.checks import Check, delay, plain_text, queue_name, time_limit
from mongojobs.core.errors import SettingsError
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.words.durations import format_duration

ENVIRONMENT_PREFIX: Final = "MONGOJOBS_"
_FURTHER_VARIABLES: Final = frozenset(
    {
        *("APP", "CONFIG", "CHDIR", "COLOR", "COMPLETE", "POOL", "SUPERVISED", "READY_DESCRIPTOR", "BOOT_DESCRIPTOR"),
        *("IDENTIFIER", "MONITOR", "PID_DIR", "PIDFILE", "LOG_DIR", "HEARTBEAT_FILE", "FAIL_ON_ERROR", "ALLOW_NONE"),
        *("PROBE_HOST", "PROBE_PORT", "PROBE_MAX_AGE", "METRICS_HOST", "METRICS_PORT"),
        *("WEB_HOST", "WEB_PORT", "WEB_USER", "WEB_PASSWORD", "WEB_READ_ONLY", "WEB_HIDE_ARGUMENTS"),
    }
)
"""What else stands behind the prefix: variables of commands, and of ours among each other."""
_OF_DEVELOPERS: Final = ("TEST_", "BENCH_")

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVELS_BY_OTHER_NAMES: Final = {
    "10": "debug",
    "20": "info",
    "30": "warning",
    "40": "error",
    "50": "critical",
    "0": "debug",
    "1": "info",
    "2": "warning",
    "3": "error",
    "4": "critical",
    "5": "critical",
    "warn": "warning",
    "fatal": "critical",
    "unknown": "critical",
}
EXECUTORS: Final = ("thread", "process")
LOG_FORMATS: Final = ("auto", "text", "logfmt", "json")
_SIZE: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
LARGEST_QUEUE: Final = 10_000_000
"""The largest ``max_size`` of a queue; so many jobs are counted at each enqueue when it is nearly full."""


def _number(least: int, most: int | None = None) -> Check:
    """Return a parser of whole numbers between *least* and *most*."""
    allowed = f"must be {least} or more" if most is None else f"must be between {least} and {most}"

    def parse(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if not isinstance(number, int) or isinstance(number, bool):
            raise ValueError("must be a whole number")
        if number < least or (most is not None and number > most):
            raise ValueError(allowed)
        return number

    return parse


def _size(value: object) -> int:
    """Return a size of memory in bytes, given as a number or as a text such as ``400M``, ``1.5G``, ``512MiB``."""
    found = _SIZE.fullmatch(str(value).strip())
    if found is None or isinstance(value, bool):
        raise ValueError("must be a size such as 400M or 1G")
    size = int(float(found["number"]) * _UNITS[found["unit"].upper()])
    if size < 2**20:
        raise ValueError("must be 1M or more")
    return size


def _share(value: object) -> float:
    try:
        share = float(value)  # type: ignore[arg-type]  # refused just below
    except (TypeError, ValueError):
        raise ValueError("must be a number between 0 and 1") from None
    if not 0 <= share <= 1:
        raise ValueError("must be a number between 0 and 1")
    return share


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be true or false")


def _function(value: object) -> object:
    if not callable(value):
        raise ValueError("must be a function")
    if is_async(value) or generator_kind(value):
        raise ValueError("must be a plain function, since nobody awaits it")
    return value


def _truth_or_callable(value: object) -> object:
    return _function(value) if callable(value) else _truth(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return plain_text(value).strip()  # what a file or a shell leaves around it is never meant


def queue_names(value: object) -> tuple[str, ...]:
    """Return the names of queues in *value*, a list or a text with commas. Raises ValueError where one is none.

    Only an empty text or list names none: what is left of a template must not mean all queues.
    """
    names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or (value and not names):
        raise ValueError("must be names separated by commas")
    return tuple(queue_name(name) for name in names)


def _module_names(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of names of modules")
    modules = tuple(part.strip() for name in names for part in name.split(","))
    if isinstance(value, str) and not value.strip():
        return ()
    if not all(modules):
        raise ValueError("must not have an empty name among those of modules")
    return modules


def _names_or_callable(value: object) -> object:
    if callable(value):
        return _function(value)
    names = [part.strip() for part in value.split(",") if value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name.strip() == name for name in names):
        raise ValueError("must be a list of names, or a function that says whether a name is allowed")
    if not all(names):
        raise ValueError("must be a list of names, none of them empty")
    return tuple(map(plain_text, names))


def _queue_attributes(value: object) -> Mapping[str, Mapping[str, int]]:
    if not isinstance(value, Mapping):
        raise ValueError('must be a table such as {"mail": {"priority": 10}}')
    parse = {"priority": _number(LOWEST_PRIORITY, HIGHEST_PRIORITY), "max_size": _number(1, LARGEST_QUEUE)}
    attributes: dict[str, Mapping[str, int]] = {}
    for queue, of_queue in value.items():
        if not isinstance(of_queue, Mapping) or set(of_queue) - set(parse):
            raise ValueError(f"knows only the attributes {' and '.join(parse)}, got {of_queue!r} for {queue!r}")
        try:
            attributes[queue_name(queue)] = {key: parse[key](number) for key, number in of_queue.items()}
        except ValueError as error:
            raise ValueError(f"{error}, as it does not for {queue!r:.100}") from None
    return attributes


def _choice(*allowed: str) -> Check:
    def parse(value: object) -> str:
        text = str(value).lower()
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def _log_level(value: object) -> str:
    """Return the name of a level that is given by name or by number: Python's, or the severity of delayed_job."""
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    level = _LEVELS_BY_OTHER_NAMES.get(text, text)
    if level not in LOG_LEVELS:
        raise ValueError(
            f"must be one of {', '.join(LOG_LEVELS)}, or its number, 10 to 50, or 0 to 5 as in delayed_job"
        )
    return level


def _write_concern(value: object) -> str | int:
    if value == "majority":
        return "majority"
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise ValueError('must be "majority" or a number of nodes')
    if number < 1:
        raise ValueError("must be 1 or more: with 0 the database does not even say whether it stored the job")
    return int(number)


def _setting(default: Any, parse: Check, explanation: str, *also: str, secret: bool = False) -> Any:
    """Declare a setting; *also* names environment variables of delayed_job that are honoured after our own."""
    metadata = {"default": default, "parse": parse, "explanation": explanation, "also": also}
    return dataclasses.field(default_factory=lambda: default, metadata=metadata, repr=not secret)


_PRIORITY = _number(LOWEST_PRIORITY, HIGHEST_PRIORITY)
_NO_ATTRIBUTES: Final[Mapping[str, Mapping[str, int]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of an app and its workers, checked when made.

    Durations may be given as ``timedelta``, as seconds, or as texts such as ``15m``. Raises SettingsError.
    """

    uri: str | None = _setting(
        None, _text, "MongoDB URI of the jobs; default: the app's MongoEngine connection", secret=True
    )
    database: str | None = _setting(None, _text, "database of the jobs; default: the one in the URI")
    collection: str = _setting("delayed_jobs", _text, "collection of the jobs")
    db_alias: str = _setting("default", _text, "MongoEngine alias whose connection holds the jobs")
    write_concern: str | int = _setting(
        "majority", _write_concern, "how many nodes acknowledge a write; less than majority can lose jobs"
    )
    enqueue_timeout: timedelta = _setting(timedelta(seconds=10), time_limit, "how long an enqueue tries")

    imports: tuple[str, ...] = _setting(
        (), _module_names, "modules to import beside the app, as they declare its jobs; with commas"
    )
    delay_jobs: bool | Callable[..., bool] = _setting(
        True,
        _truth_or_callable,
        "false: run jobs at once instead of storing them; a function decides for each job",
    )
    default_queue_name: str = _setting("default", queue_name, "queue of jobs that name none")
    default_priority: int = _setting(0, _PRIORITY, "priority of jobs that name none; lower runs first")
    queue_attributes: Mapping[str, Mapping[str, int]] = _setting(
        _NO_ATTRIBUTES,
        _queue_attributes,
        'priority and most jobs of queues, such as {"mail": {"priority": 10, "max_size": 10000}}',
    )
    max_payload_bytes: int = _setting(2**20, _number(1), "largest payload accepted at enqueue")
    switched_databases: tuple[str, ...] | Callable[[str], bool] = _setting(
        (), _names_or_callable, "databases, besides those of the classes, whose documents jobs may refer to"
    )
    switched_collections: tuple[str, ...] | Callable[[str], bool] = _setting(
        (), _names_or_callable, "collections, besides those of the classes, whose documents jobs may refer to"
    )

    max_attempts: int = _setting(25, _number(1), "failures after which a job is given up on")
    max_run_time: timedelta = _setting(timedelta(hours=4), time_limit, "how long a job may run")
    max_losses: int = _setting(5, _number(1), "lost workers after which a job is given up on")
    max_releases: int = _setting(30, _number(1), "interrupted runs after which a job is given up on")
    undeclared_for: timedelta = _setting(
        timedelta(days=1),
        delay,
        "how long a job whose name no worker knows is put off before it is given up on; 0: not at all",
    )
    retry_jitter: float = _setting(0.1, _share, "share by which delays before retries are lengthened at random")
    destroy_failed_jobs: bool = _setting(False, _truth, "delete jobs that are given up on instead of keeping them")
    keep_completed: timedelta | None = _setting(
        None, time_limit, "how long completed jobs are kept; default: not at all"
    )
    job_id_retention: timedelta = _setting(
        timedelta(days=1), time_limit, "how long an ended job whose id the caller chose is kept"
    )

    stats_retention: timedelta = _setting(
        timedelta(days=14), delay, "how long figures about runs are kept; 0: none are collected"
    )

    queues: tuple[str, ...] = _setting(
        (), queue_names, "queues to work on, with commas; default: all", "QUEUES", "QUEUE"
    )
    min_priority: int | None = _setting(None, _PRIORITY, "lowest priority number to work on", "MIN_PRIORITY")
    max_priority: int | None = _setting(None, _PRIORITY, "highest priority number to work on", "MAX_PRIORITY")
    threads: int = _setting(1, _number(1, 1000), "jobs run at once in a process")
    processes: int = _setting(1, _number(1, 1000), "worker processes")
    executor: str = _setting(
        "thread", _choice(*EXECUTORS), "what runs a job: a thread of the worker, or a child process of its own"
    )
    max_jobs: int | None = _setting(
        None, _number(1), "jobs after which a worker leaves, or with executor=process a child is replaced"
    )
    max_memory: int | None = _setting(
        None, _size, "memory, such as 400M, above which a worker leaves, or with executor=process a child is replaced"
    )
    async_concurrency: int = _setting(
        10, _number(1, 10_000), "async def jobs run at once in a process, beside the threads"
    )
    sleep_delay: timedelta = _setting(
        timedelta(seconds=5),
        time_limit,
        "longest wait between two looks into an empty queue; six times that while a stream tells of jobs",
        "SLEEP_DELAY",
    )
    read_ahead: int = _setting(
        500, _number(0, 10_000), "most jobs reserved at once; 0: strictly one at a time", "READ_AHEAD"
    )
    exit_on_complete: bool = _setting(False, _truth, "leave when nothing is due")
    lease: timedelta = _setting(timedelta(seconds=60), time_limit, "how long a lock lives without renewal")
    heartbeat: timedelta = _setting(timedelta(seconds=10), time_limit, "how often locks are renewed")
    shutdown_timeout: timedelta = _setting(timedelta(seconds=25), delay, "how long running jobs may go on after a stop")
    boot_timeout: timedelta = _setting(
        timedelta(seconds=60),
        time_limit,
        "how long a process may take to import the app before it is replaced; each time twice as long",
    )
    timeout_grace: timedelta = _setting(
        timedelta(seconds=60), time_limit, "how long a job's code may go on after its time-out"
    )
    name: str | None = _setting(None, _text, "label of the worker; default: made of host, process id and a random part")
    prefix: str = _setting("", str, "text put before the worker's label")
    redact: Callable[[str], str] | None = _setting(
        None, _function, "function that takes secrets out of a text of an error before it is stored and logged"
    )
    log_level: str = _setting("info", _log_level, "least level that is logged, by name or number")
    log_format: str = _setting("auto", _choice(*LOG_FORMATS), "form of log lines")
    log_tracebacks: bool = _setting(True, _truth, "log the tracebacks of failed jobs, with secrets masked")
    quiet: bool = _setting(False, _truth, "log warnings and errors only", "QUIET")

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
        """Return the same settings but for *values*. Raises SettingsError."""
        refuse_unknown(values)
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]  # parsed in __post_init__


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings together with where each comes from."""

    settings: Settings
    origins: Mapping[str, str]


def resolve(
    *,
    configured: Settings,
    file: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Resolved:
    """Lay *file*, *environ* and *flags* over what the app *configured*, and note each setting's origin.

    A source that does not name a setting leaves it alone. Variables that look like ours and are unknown are warned of.
    Raises SettingsError that names the source.
    """
    for message in unknown_variables(environ or {}):
        warnings.warn(message, stacklevel=1)  # always from here, so that Python shows it once, whoever asks
    origins = {field.name: _configured_origin(configured, field) for field in dataclasses.fields(Settings)}
    values: dict[str, object] = {}
    for origin, given in [
        ("pyproject.toml", _from_file(file or {})),
        *_from_environment(environ or {}),
        ("flag", flags or {}),
    ]:
        refuse_unknown(given)
        values.update(given)
        origins.update(dict.fromkeys(given, origin))
    try:
        return Resolved(configured.changed(**values), origins)
    except SettingsError as error:
        raise SettingsError(f"{error} (from {origins[error.setting]})", setting=error.setting) from None


def environment_names(name: str) -> tuple[str, ...]:
    """Return the environment variables that set *name*; the first that is present wins."""
    field = Settings.__dataclass_fields__[name]
    return (ENVIRONMENT_PREFIX + name.upper(), *field.metadata["also"])


def explanation(name: str) -> str:
    """Return the one-line explanation of the setting *name*."""
    return str(Settings.__dataclass_fields__[name].metadata["explanation"])


def refuse_unknown(values: Mapping[str, object]) -> None:
    """Raise SettingsError for the first name that is no setting."""
    for name in values:
        if name not in Settings.__dataclass_fields__:
            known = ", ".join(Settings.__dataclass_fields__)
            near = _nearest(name, Settings.__dataclass_fields__)
            hint = f"{near} The" if near else ": the"
            raise SettingsError(f"unknown setting {name!r}{hint} settings are {known}", setting=name)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return sentences about the variables that look like ours, and say nothing to anybody."""
    known = {name.upper() for name in Settings.__dataclass_fields__} | set(_FURTHER_VARIABLES)
    looking = {name.removeprefix(ENVIRONMENT_PREFIX) for name in environ if name.startswith(ENVIRONMENT_PREFIX)}
    return [
        f"the environment variable {ENVIRONMENT_PREFIX}{name} is unknown and changes nothing"
        f"{_nearest(name, known, prefix=ENVIRONMENT_PREFIX) or '.'}"
        for name in sorted(looking - known)
        if not name.startswith(_OF_DEVELOPERS)
    ]


def _nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
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


def _configured_origin(configured: Settings, field: dataclasses.Field[Any]) -> str:
    return "default" if getattr(configured, field.name) == field.metadata["default"] else "configure()"


def _from_file(file: Mapping[str, object]) -> dict[str, object]:
    return {name.replace("-", "_"): value for name, value in file.items()}


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    for name in Settings.__dataclass_fields__:
        for variable in environment_names(name):
            if environ.get(variable, "") != "":
                found.append((variable, {name: environ[variable]}))
                break
    return found
