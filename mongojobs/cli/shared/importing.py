"""Importing the app, and explaining what went wrong so that the cause is easy to find."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Final, Literal

import click

from mongojobs.cli.shared.failures import NO_APP, Failure, failure
from mongojobs.cli.shared.output import say

OF_FLASK: Final = "mongojobs.flask:load_app"
"""Names the app that the ``flask`` command has loaded."""
_WRITE_ONE: Final = "give them defaults, or write a function without arguments that calls it, and name that one"


def import_app(spec: str) -> object:
    """Return what *spec*, ``module`` or ``module:attr``, names; a factory is called, and its result returned.

    The factory may be written as a call without arguments, as other programs want it. Raises Failure.
    """
    name, _, path = spec.removesuffix("()").partition(":")
    if path.endswith(")"):
        raise Failure(f"a factory in --app is called without arguments, got {spec}: {_WRITE_ONE}", NO_APP)
    target: Any = import_module(name)
    for attribute in filter(None, path.split(".")):
        if not hasattr(target, attribute):
            raise Failure(f"cannot find the app {spec}: {name} has no {path!r}", NO_APP)
        target = getattr(target, attribute)
    return _call(target, spec) if path and inspect.isroutine(target) else target


def import_module(name: str, *, named_by: Literal["--app", "imports"] = "--app") -> ModuleType:
    """Import the module *name*, also from the current folder. Raises Failure."""
    _refuse_misspelling(name, named_by)
    folder = os.getcwd()  # noqa: PTH109 - a string for sys.path
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(error, f"import {name}") from error
        what = "the app" if named_by == "--app" else f"{name}, which imports names"
        raise Failure(
            f"cannot import {what}: {error.msg}. Python looks in {folder} first: start the command in the folder that"
            f" holds {error.name.partition('.')[0]}, or name that folder with --chdir",
            NO_APP,
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, f"import {name}") from error


def _refuse_misspelling(name: str, named_by: str) -> None:
    if name == "__main__":
        raise Failure(
            "jobs cannot be in __main__: it is a different program in each process. Move them to a module of their own,"
            f" and name that one with {named_by}",
            NO_APP,
        )
    if name.endswith(".py") or "/" in name:
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        instead = f"--app {module}" if named_by == "--app" else module
        raise Failure(f"{named_by} takes the name of a module, not of a file: try {instead}", NO_APP)
    if not all(part.isidentifier() for part in name.split(".")):
        form = "MODULE or MODULE:ATTR" if named_by == "--app" else "names of modules"
        raise click.UsageError(f"{named_by} takes {form}, got {name!r}")


def _call(factory: Any, spec: str) -> object:
    """Call a factory, such as a Flask app's. A job of that name is left alone: it is a function as well."""
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise Failure(f"the factory {spec} needs arguments ({error}): {_WRITE_ONE}", NO_APP) from None
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise _failed(error, f"make the app with {spec}") from error


def _failed(error: Exception | SystemExit, what: str) -> Failure:
    """Return why the app's own code raised, after printing its traceback: only its author can tell why."""
    from mongojobs.core.errors import RegistrationError

    if isinstance(error, RegistrationError):
        return Failure(f"cannot {what}: {error}", NO_APP)
    if isinstance(error, SystemExit):
        return Failure(f"cannot {what}: it ends the program (SystemExit: {error})", NO_APP)
    plain = failure(error)
    if plain is not None:
        return Failure(f"cannot {what}: {plain.message}", plain.exit_code)
    say("".join(_trace(error)).rstrip("\n"), err=True)
    last_line = traceback.format_exception_only(error)[-1].strip()
    return Failure(f"cannot {what}: {last_line}", NO_APP)


def _trace(error: BaseException) -> list[str]:
    """Return the traceback without our own frames and the import system's."""
    stack = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in stack if "importlib" not in frame.filename and frame.filename != __file__]
    return [
        "Traceback (most recent call last):\n",
        *traceback.format_list(own),
        *traceback.format_exception_only(error),
    ]
