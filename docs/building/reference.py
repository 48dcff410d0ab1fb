"""Pages that are made of the code: each ``<!-- made of the code: NAME -->`` becomes what is written here.

That of the names marks where their headings begin: below each stands what the code says of it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import click

from mongojobs.cli.main import COMMANDS, mongojobs
from mongojobs.core.settings import Settings
from mongojobs.core.settings.sources import ENVIRONMENT_PREFIX
from mongojobs.core.words.durations import format_duration

_NAMES = "<!-- made of the code: names -->\n"
_PLACE = re.compile(r"^<!-- made of the code: (?P<name>\w+) -->$", re.MULTILINE)
_HEADING = re.compile(r"^(?:## (?P<module>mongojobs[\w.]*).*|### (?P<names>`.+))$", re.MULTILINE)
_AUTODOC = "```{{eval-rst}}\n.. auto{kind}:: {module}.{name}\n{members}```\n"


def with_reference(text: str) -> str:
    """Return the *text* of a page with what is made of the code, for Sphinx."""
    return _made(text, _for_sphinx)


def written_out(text: str) -> str:
    """Return the same for people and programs that read Markdown."""
    return _made(text, _for_readers)


def _made(text: str, show: Callable[[str, str], str]) -> str:
    names, mark, rest = text.partition(_NAMES)
    if mark:
        return names + _with_names(rest, show)
    return _PLACE.sub(lambda place: _MADE[place["name"]](), text)


def _with_names(text: str, show: Callable[[str, str], str]) -> str:
    """Return the page of names with what the code says of each, below the heading that names it."""
    module = ""

    def said(heading: re.Match[str]) -> str:
        nonlocal module
        module = heading["module"] or module
        names = re.findall(r"`(\w+)`(?!:)", heading["names"] or "")
        return "\n".join([heading[0], "", *(show(module, name) for name in names)])

    return _HEADING.sub(said, text)


def _for_sphinx(module: str, name: str) -> str:
    value = getattr(importlib.import_module(module), name)
    if isinstance(value, str) or not _text_of(value):
        return ""
    kind = "class" if inspect.isclass(value) else "function"
    if inspect.isclass(value) and issubclass(value, BaseException):
        kind = "exception"
    members = "   :members:\n" if kind == "class" and name not in WITHOUT_MEMBERS else ""
    return _AUTODOC.format(kind=kind, module=module, name=name, members=members)


def _for_readers(module: str, name: str) -> str:
    value = getattr(importlib.import_module(module), name)
    return f"- `{name}`: {_text_of(value)}\n" if _text_of(value) else ""


def _text_of(value: object) -> str:
    return "" if isinstance(value, str) else (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")


WITHOUT_MEMBERS = {"DelayedJob"}
"""Documents of MongoEngine, most of whose members are not ours."""


def commands() -> str:
    """The options of all commands, and each command with its own."""
    root = click.Context(mongojobs, info_name="mongojobs")
    children = [click.Context(_command(root, name), root, info_name=name) for name in COMMANDS]
    return "\n".join([_entry(root), *(text for child in children for text in _entries(child))])


def _command(context: click.Context, name: str) -> click.Command:
    group = context.command
    command = group.get_command(context, name) if isinstance(group, click.Group) else None
    if command is None:
        raise LookupError(f"there is no command {name}")
    return command


def _entries(context: click.Context, depth: int = 2) -> Iterator[str]:
    """Yield the entry of a command, and those of the commands below it."""
    yield _entry(context, depth)
    group = context.command
    for name in group.list_commands(context) if isinstance(group, click.Group) else ():
        yield from _entries(click.Context(_command(context, name), context, info_name=name), depth + 1)


def _entry(context: click.Context, depth: int = 2) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or command.short_help or "")
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| `{_cell(flag)}` | {_cell(said)} |" for flag, said in filter(None, records)]
    return "\n".join(
        [
            f"{'#' * depth} {context.command_path}\n",
            f"    {usage}\n",
            f"{text}\n",
            "| option | |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def settings() -> str:
    """Each setting, with everything that names it."""
    return "\n".join(_setting(field) for field in dataclasses.fields(Settings))


def _setting(field: dataclasses.Field[Any]) -> str:
    variables = [f"{ENVIRONMENT_PREFIX}{field.name.upper()}", *field.metadata["also"]]
    rows = [
        f"- default: {_default(field.metadata['default'])}",
        f"- environment: {', '.join(f'`{variable}`' for variable in variables)}",
    ]
    return "\n".join([f"## {field.name}\n", f"{field.metadata['explanation']}\n", *rows, ""])


def _default(value: object) -> str:
    shown = format_duration(value) if isinstance(value, timedelta) else value
    return "none" if shown in (None, (), {}, "") else f"`{str(shown).lower()}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_MADE = {"commands": commands, "settings": settings}


def _read(_app: Any, _name: str, source: list[str]) -> None:
    source[0] = with_reference(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("source-read", _read, priority=300)
    return {"parallel_read_safe": True}
