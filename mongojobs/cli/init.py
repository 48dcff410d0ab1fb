"""``mongojobs init``: prints what a platform needs to run the workers of this app, and what its framework needs."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from string import Template
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.keda import keda_values
from mongojobs.cli.shared.global_options import GlobalOptions, flag_words
from mongojobs.cli.shared.importing import OF_FLASK
from mongojobs.cli.shared.options import Command, ParamType, own_option, with_options
from mongojobs.cli.shared.settings import app_named, modules_named, refuse_without_app, resolve_settings

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings

PLATFORMS: Final = ("procfile", "docker", "compose", "k8s", "systemd", "supervisord", "fly", "render")

FRAMEWORKS: Final = ("django", "fastapi", "flask")

KEDA: Final = "keda"

OF_DJANGO: Final = "mongojobs.django"

LONGEST_GRACE: Final = {"procfile": 30, "fly": 300, "render": 300}
"""How many seconds a platform allows at most between asking the worker to stop and killing it."""

LEAVING_SECONDS: Final = 5
"""How much longer than its ``shutdown_timeout`` a worker may take to exit."""

HEARTBEAT_FILE: Final = "/tmp/mongojobs.alive"  # noqa: S108 - in a container of its own

PROBE_PORT: Final = 8788

_SHOWING_LIFE: Final = {
    "docker": f"--heartbeat-file={HEARTBEAT_FILE}",
    "compose": f"--heartbeat-file={HEARTBEAT_FILE}",
    "k8s": f"--probe-port={PROBE_PORT} --probe-host=0.0.0.0",
}
"""How a worker shows that it is alive, if a platform asks; Kubernetes asks from outside the pod."""

_SETTINGS: Final = ("queues", "threads", "processes", "async_concurrency", "shutdown_timeout")
_VARIABLE_MARKS: Final = {"compose": "$", "k8s": "$("}
"""What a platform takes for the beginning of a variable unless another $ comes before it."""

_PLAIN_UNIT_WORD: Final = re.compile(r"[A-Za-z0-9_./:=,@+-]+")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where."""

    app: list[str]
    work: list[str]
    name: str
    image: str
    user: str
    directory: str
    grace: int

    def values(self) -> dict[str, object]:
        """Return the values for the templates: each command in each platform's form."""
        health = ["mongojobs", "health", f"--heartbeat-file={HEARTBEAT_FILE}"]
        commands = {
            "work": ["mongojobs", *self.app, "work", *self.work],
            "manage_work": ["python", "manage.py", "mongojobs", "work", *self.work],
            "create_indexes": ["mongojobs", *self.app, "create-indexes"],
            "health": health,
        }
        values: dict[str, object] = {
            "name": self.name,
            "image": self.image,
            "user": self.user,
            "directory": self.directory,
            "grace": self.grace,
            "probe_port": PROBE_PORT,
            "health_test": json.dumps(["CMD", *health]),
        }
        for name, words in commands.items():
            there = [f"{self.directory}/.venv/bin/{words[0]}", *words[1:]]
            values |= {
                name: shlex.join(words),
                f"{name}_text": json.dumps(shlex.join(words)),
                f"{name}_list": json.dumps(words),
                f"{name}_unit": " ".join(map(_unit_word, there)),
                f"{name}_program": shlex.join(there).replace("%", "%%"),
            }
        return values


class NameType(ParamType):
    """A name that can be part of the names of files, images and Kubernetes objects."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it."""
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?", str(value)):
            self.fail(f"a name is made of lowercase letters, digits and -, got {value!r}", param, ctx)
        return str(value)


@with_options(
    own_option("--name", text="name of the app there; default: its module", type=NameType(), metavar="NAME"),
    own_option("--image", text="container image; default: NAME:latest", metavar="IMAGE"),
    own_option("--user", text="user that runs the workers, on your own server; default: NAME", metavar="USER"),
    own_option(
        "--directory",
        text="folder of the app on your own server, with its environment in .venv; default: /srv/NAME",
        metavar="DIR",
    ),
)
@click.command(cls=Command, settings=_SETTINGS)
@click.argument("platform", type=click.Choice([*PLATFORMS, KEDA, *FRAMEWORKS]), metavar="PLATFORM")
@click.pass_obj
def init(
    options: GlobalOptions,
    /,
    *,
    platform: str,
    flags: dict[str, object],
    name: str | None,
    image: str | None,
    user: str | None,
    directory: str | None,
) -> None:
    """Print the file with which a platform runs the workers: a Procfile, a Dockerfile, a systemd unit and so on.

    PLATFORM is procfile (for Heroku), docker, compose, k8s, systemd, supervisord, fly or render. For django, fastapi
    and flask it is the module with which a site begins to have jobs; for keda, what scales the workers of k8s. Options
    of `mongojobs work` that are given here are written into it.
    """
    if platform == "k8s" and "processes" in flags:
        click.echo("Warning: Kubernetes probes only the first process of a pod: scale with replicas instead", err=True)
    app, name = _app(options), name or _name(options)
    plan = Plan(
        app=app,
        work=[*flag_words(flags), *_SHOWING_LIFE.get(platform, "").split()],
        name=name,
        image=_one_line(image or f"{name}:latest"),
        user=_one_line(user or name),
        directory=_one_line(str(PurePosixPath(directory or f"/srv/{name}"))),
        grace=_grace(options, flags, platform),
    )
    values = plan.values() | (keda_values(_settings(options, flags)) if platform == KEDA else {})
    template = resources.files("mongojobs.cli").joinpath("templates", platform).read_text(encoding="utf-8")
    click.echo(Template(template).substitute(_escaped(values, platform)), nl=False)


def _app(options: GlobalOptions) -> list[str]:
    """Return the words that name the app in the commands; none if the project's settings do."""
    from mongojobs.core.settings import Settings

    if options.app == OF_FLASK:
        raise click.UsageError(
            "how will the platform find the app? Name it: flask mongojobs init PLATFORM --app shop:create_app"
        )
    refuse_without_app(options, "init PLATFORM")
    resolved = resolve_settings(options, None, Settings())
    here_alone = resolved.origins["imports"] in ("flag", "MONGOJOBS_IMPORTS")
    modules = resolved.settings.imports if here_alone else ()
    return [*([f"--app={options.app}"] if options.app else []), *(f"--import={module}" for module in modules)]


def _name(options: GlobalOptions) -> str:
    module = (app_named(options) or modules_named(options)[0]).partition(":")[0]
    if module == OF_DJANGO:  # which stands for any project
        module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    module = module.partition(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", module.lower()).strip("-") or "app"


def _grace(options: GlobalOptions, flags: dict[str, object], platform: str) -> int:
    """Return how many seconds the platform must allow for a stop."""
    timeout = _settings(options, flags).shutdown_timeout
    grace = int(timeout.total_seconds()) + LEAVING_SECONDS
    longest = LONGEST_GRACE.get(platform, grace)
    if grace > longest:
        click.echo(
            f"Warning: {platform} grants at most {longest} s for a stop: a --shutdown-timeout of more than"
            f" {longest - LEAVING_SECONDS} s cannot be kept there",
            err=True,
        )
    return min(grace, longest)


def _settings(options: GlobalOptions, flags: dict[str, object]) -> Settings:
    from mongojobs.core.settings import Settings

    return resolve_settings(options, flags, Settings()).settings


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip() or " " in text:
        raise click.UsageError(f"an image, a user and a folder must be single words, got {text!r}")
    return text


def _unit_word(word: str) -> str:
    """Return *word* as systemd reads it in a command. Source: systemd.service(5), systemd.unit(5)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if _PLAIN_UNIT_WORD.fullmatch(word) else f'"{escaped}"'


def _escaped(values: dict[str, object], platform: str) -> dict[str, object]:
    """Return *values* escaped for a file in which the platform replaces variables."""
    mark = _VARIABLE_MARKS.get(platform)
    if mark is None:
        return values
    return {
        name: value.replace(mark, f"${mark}") if isinstance(value, str) else value for name, value in values.items()
    }
