"""Settings from outside the code: ``[tool.mongojobs]`` in ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from mongojobs.core.errors import ConfigurationError

NOT_SETTINGS = ("app",)
"""Keys of the table that are not settings, but read by the command line."""

FORMER_NAMES = {"import": "imports"}


def read_file(path: Path) -> Mapping[str, object]:
    """Return the table ``[tool.mongojobs]`` of the TOML file *path*; empty if there is none.

    Raises ConfigurationError for a file that is no TOML.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    tool = tables.get("tool", {})
    table = tool.get("mongojobs", {}) if isinstance(tool, Mapping) else {}
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"[tool.mongojobs] in {path} must be a table")
    return table


def settings_of(table: Mapping[str, object]) -> dict[str, object]:
    """Return the settings among the keys of *table*."""
    return {FORMER_NAMES.get(name, name): value for name, value in table.items() if name not in NOT_SETTINGS}
