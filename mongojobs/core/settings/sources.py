"""Where settings come from: the first source in this order that names one wins.

Command-line flags, environment variables (``MONGOJOBS_`` and the name in capitals), ``[tool.mongojobs]`` in
``pyproject.toml``, and the app's own ``mongojobs.configure(...)``.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.errors import SettingsError
from mongojobs.core.settings.settings import Settings, nearest, refuse_unknown

ENVIRONMENT_PREFIX: Final = "MONGOJOBS_"
_FURTHER_VARIABLES: Final = frozenset(
    {
        *("APP", "CONFIG", "CHDIR", "COLOR", "COMPLETE", "POOL", "SUPERVISED", "READY_DESCRIPTOR", "BOOT_DESCRIPTOR"),
        *("IDENTIFIER", "MONITOR", "PID_DIR", "PIDFILE", "LOG_DIR", "HEARTBEAT_FILE", "FAIL_ON_ERROR", "ALLOW_NONE"),
        *("PROBE_HOST", "PROBE_PORT", "PROBE_MAX_AGE", "METRICS_HOST", "METRICS_PORT"),
        *("WEB_HOST", "WEB_PORT", "WEB_USER", "WEB_PASSWORD", "WEB_READ_ONLY", "WEB_HIDE_ARGUMENTS"),
    }
)
"""Other names with our prefix: variables of commands, and those that our processes pass to each other."""
_OF_DEVELOPERS: Final = ("TEST_", "BENCH_")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, and where each comes from."""

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


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return sentences about variables that look like ours but mean nothing to us."""
    known = {name.upper() for name in Settings.__dataclass_fields__} | set(_FURTHER_VARIABLES)
    looking = {name.removeprefix(ENVIRONMENT_PREFIX) for name in environ if name.startswith(ENVIRONMENT_PREFIX)}
    return [
        f"the environment variable {ENVIRONMENT_PREFIX}{name} is unknown and has no effect"
        f"{nearest(name, known, prefix=ENVIRONMENT_PREFIX) or '.'}"
        for name in sorted(looking - known)
        if not name.startswith(_OF_DEVELOPERS)
    ]


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
