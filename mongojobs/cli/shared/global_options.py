"""The options of all commands, and how to write them on a command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

ENVIRONMENT_PREFIX: Final = "MONGOJOBS_"

GLOBAL_SETTINGS: Final = {
    "uri": ("URI", "MongoDB URI of the jobs; default: the app's MongoEngine connection"),
    "database": ("NAME", "database of the jobs; default: the one in the URI"),
    "collection": ("NAME", "collection of the jobs"),
    "log_level": ("LEVEL", "lowest level to log, by name or number"),
    "log_format": ("auto|text|logfmt|json", "format of log lines"),
}
"""The settings that all commands have flags for, with the name of the value and the explanation.

The explanations are those of ``core.settings``, which is not asked for them, so that ``mongojobs --help`` answers at
once.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """The options of all commands; *settings* are those of them that are settings."""

    app: str | None = None
    imports: tuple[str, ...] = ()
    config: Path | None = None
    chdir: Path | None = None
    color: str = "auto"
    settings: Mapping[str, object]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the options from what click parsed."""
        settings = {name: values[name] for name in GLOBAL_SETTINGS if values[name] is not None}
        others = {name: value for name, value in values.items() if name not in GLOBAL_SETTINGS and value is not None}
        return cls(settings=settings, **others)

    def but(self, values: Mapping[str, Any]) -> Self:
        """Return these options, overlaid with those given after the command."""
        later = type(self).of(values)
        given = {name: values[name] for name in ("app", "imports", "config", "chdir", "color") if values[name]}
        return replace(self, settings={**self.settings, **later.settings}, **given)

    def words(self) -> list[str]:
        """Return these options as words of a command, except the URI: everybody can read the process list."""
        settings = {name: value for name, value in self.settings.items() if name != "uri"}
        return [
            *([f"--app={self.app}"] if self.app else []),
            *(f"--import={module}" for module in self.imports),
            *([f"--config={self.config}"] if self.config else []),
            *flag_words(settings),
        ]

    @property
    def colors(self) -> bool | None:
        """Whether to use colours; None: if it is a terminal."""
        if self.color == "auto":
            return False if os.environ.get("NO_COLOR") else None
        return self.color == "always"


def flag_words(flags: Mapping[str, object]) -> list[str]:
    """Return *flags* as words of a command."""
    return [_flag_word(name.replace("_", "-"), value) for name, value in flags.items()]


def _flag_word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"
