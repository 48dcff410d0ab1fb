"""The flags: those of all commands, and those made from the settings' own descriptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.global_options import ENVIRONMENT_PREFIX, GLOBAL_SETTINGS
from mongojobs.cli.shared.queue_completion import complete_queues
from mongojobs.process.signals import let_in

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # older ones take no argument

_LONGEST_SENTENCE: Final = 1000

_FURTHER_SPELLINGS: Final = {"queues": ("-q", "--queue"), "processes": ("-n", "--number-of-workers"), "prefix": ("-p",)}
_METAVARS: Final = {
    "queues": "A,B",
    "executor": "thread|process",
    "max_memory": "SIZE",
    "timedelta": "DURATION",
    "int": "N",
    "str": "TEXT",
}


class Command(click.Command):
    """A command with a flag for each of *settings*, passed as the mapping ``flags``, and those of all commands.

    The latter it gets as the context's object. One that *takes_signals* lets them in by itself, once it is ready.
    """

    def __init__(
        self, *arguments: Any, settings: Sequence[str] = (), takes_signals: bool = False, **options: Any
    ) -> None:
        options.setdefault("epilog", "Options of all commands, such as --app and --uri: mongojobs --help")
        super().__init__(*arguments, **options)
        self._settings = settings
        self._takes_signals = takes_signals
        self._made: list[click.Parameter] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all flags; those of the settings are made when first asked for."""
        if self._made is None:
            self._made = [*map(_setting_option, self._settings), *self.params, *global_options(after=True)]
        return [*self._made, *super().get_params(ctx)[len(self.params) :]]

    def invoke(self, ctx: click.Context) -> Any:
        """Run this command after the steps that all commands begin with."""
        if not self._takes_signals:
            let_in()
        later = {name: ctx.params.pop(name) for name in _global_names()}
        ctx.obj = options = ctx.obj.but(later)
        ctx.color = options.colors
        if options.chdir is not None:
            os.chdir(options.chdir)
        if "uri" in options.settings:
            click.echo("Warning: everybody here can see --uri in the process list: set MONGOJOBS_URI instead", err=True)
        if self._settings:
            given = {name: ctx.params.pop(name) for name in self._settings}
            ctx.params["flags"] = {name: value for name, value in given.items() if value is not None}
        return super().invoke(ctx)


class Group(click.Group):
    """A group whose help shows each command's first sentence in full, on several lines if necessary.

    *aliases* are other names of its commands, which work and are not shown.
    """

    def __init__(self, *arguments: Any, aliases: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.aliases: Mapping[str, str] | dict[str, str] = aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name or alias, or None."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, one.get_short_help_str(_LONGEST_SENTENCE)) for name, one in commands.items() if one is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class DurationType(ParamType):
    """A duration such as 90, 15m or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return it as a ``timedelta``."""
        from mongojobs.core.words.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}, got {value!r}", param, ctx)


def own_option(*names: str, text: str, variable: str = "", **options: Any) -> click.Option:
    """Return a flag that is not a setting, with the environment *variable* that does the same."""
    if variable:
        options.setdefault("envvar", variable)
    if "--queue" in names:
        options.setdefault("shell_complete", complete_queues)
    return click.Option(names, help=_help(text, [variable] if variable else []), **options)


def with_options(*options: click.Option) -> Callable[[click.Command], click.Command]:
    """Add *options* to a command, as ``click.option`` does with one."""

    def add(command: click.Command) -> click.Command:
        command.params[:0] = options
        return command

    return add


def global_options(*, after: bool = False) -> list[click.Option]:
    """Return the options of all commands, to be given before the command.

    Those *after* it are not in its help, and win; the environment is read by the others.
    """

    def option(*names: str, **options: Any) -> click.Option:
        if after:
            options["envvar"] = None
        return own_option(*names, **options, hidden=after)

    return [
        option("-A", "--app", text=_APP, variable="MONGOJOBS_APP", metavar="MODULE[:ATTR]"),
        _import_option(hidden=after),
        *(_global_setting(name, hidden=after) for name in GLOBAL_SETTINGS),
        option(
            "--config",
            text="TOML file with [tool.mongojobs]; default: pyproject.toml",
            variable="MONGOJOBS_CONFIG",
            metavar="FILE",
            type=click.Path(path_type=Path),
        ),
        option(
            "--chdir",
            text="folder to run in; default: the current one",
            variable="MONGOJOBS_CHDIR",
            metavar="DIR",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
        ),
        option(
            "--color",
            text="colours; auto: on a terminal, unless NO_COLOR is set",
            variable="MONGOJOBS_COLOR",
            type=click.Choice(["auto", "always", "never"]),
        ),
    ]


_APP: Final = (
    "module of the app, imported to declare its jobs and make its connection; ATTR may be a factory, which is called,"
    " or a MongoJobs instance"
)


def _global_names() -> list[str]:
    return ["app", "imports", "config", "chdir", "color", *GLOBAL_SETTINGS]


def _import_option(*, hidden: bool) -> click.Option:
    """Return a flag whose environment variable is read with the settings, not by click."""
    text = "further module that declares jobs, imported along with the app; may be repeated"
    names = ("-I", "--import", "imports")
    return click.Option(names, help=_help(text, ["MONGOJOBS_IMPORTS"]), metavar="MODULE", multiple=True, hidden=hidden)


def _global_setting(name: str, *, hidden: bool) -> click.Option:
    """Return a flag whose variable is read in the same way."""
    metavar, text = GLOBAL_SETTINGS[name]
    text = _help(text, [ENVIRONMENT_PREFIX + name.upper()])
    return click.Option([_flag(name)], help=text, metavar=metavar, hidden=hidden)


def _setting_option(name: str) -> click.Option:
    """Return the flag of the setting *name*."""
    from mongojobs.core import settings

    field = settings.Settings.__dataclass_fields__[name]
    text = _help(settings.explanation(name), settings.environment_names(name), _default(name))
    if field.type == "bool":
        return click.Option([f"{_flag(name)}/--no-{name.replace('_', '-')}"], help=text, default=None)
    kind = next((metavar for key, metavar in _METAVARS.items() if key == name or key in str(field.type)), "TEXT")
    completed = complete_queues if name == "queues" else None
    spellings = [*_FURTHER_SPELLINGS.get(name, ()), _flag(name), name]
    return click.Option(spellings, help=text, metavar=kind, shell_complete=completed)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _default(name: str) -> str:
    from mongojobs.core.settings import Settings
    from mongojobs.core.words.durations import format_duration

    default = Settings.__dataclass_fields__[name].metadata["default"]
    if isinstance(default, timedelta):
        return format_duration(default)
    return "" if default is None or isinstance(default, bool | tuple) else str(default)


def _help(text: str, variables: Sequence[str], default: str = "") -> str:
    notes = [*variables, *([f"default: {default}"] if default else [])]
    sentence = f"{text[0].upper()}{text[1:]}."
    return f"{sentence}  [{', '.join(notes)}]" if notes else sentence
