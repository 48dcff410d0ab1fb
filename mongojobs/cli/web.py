"""``mongojobs web``: the dashboard as a server of its own."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import click

from mongojobs.cli.shared.opening import log_to, open_app
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.cli.shared.output import say
from mongojobs.cli.shared.standard_files import never_fail

DEFAULT_PORT: Final = 8787

_PORTS: Final = ("PORT", "MONGOJOBS_WEB_PORT")
"""Platforms that say where to listen do it in PORT."""


@with_options(
    own_option(
        "--host",
        text="address to listen on",
        variable="MONGOJOBS_WEB_HOST",
        default="127.0.0.1",
        show_default=True,
    ),
    own_option(
        "--port",
        text="port to listen on; 0: any free one  [PORT, MONGOJOBS_WEB_PORT]",
        envvar=list(_PORTS),
        default=DEFAULT_PORT,
        show_default=True,
        type=click.IntRange(0, 65535),
    ),
    own_option(
        "--read-only",
        text="allow nobody to change anything",
        variable="MONGOJOBS_WEB_READ_ONLY",
        is_flag=True,
    ),
    own_option(
        "--hide-arguments",
        text="do not show the arguments of jobs",
        variable="MONGOJOBS_WEB_HIDE_ARGUMENTS",
        is_flag=True,
    ),
    own_option("--insecure", text="listen without credentials even where others can connect", is_flag=True),
)
@click.command(cls=Command)
@click.pass_context
def web(context: click.Context, /, *, hide_arguments: bool, **options: Any) -> None:
    """Serve the dashboard.

    It needs no credentials while only this machine can connect. Otherwise it asks for the name and the password in
    MONGOJOBS_WEB_USER and MONGOJOBS_WEB_PASSWORD. Give --app, so that secret arguments are known and masked.
    """
    from mongojobs.web import check_extra

    check_extra()
    from mongojobs.web.serving import Serving, make_server, run

    user, password = (os.environ.get(f"MONGOJOBS_WEB_{name}", "") for name in ("USER", "PASSWORD"))
    serving = Serving(user=user, password=password, show_arguments=not hide_arguments, **options)
    never_fail()
    opened = open_app(context.obj)
    log_to(sys.stdout, opened.settings)
    say(f"Jobs: {opened.place}", err=True)
    server = make_server(opened.app, serving)
    port = server.effective_port if hasattr(server, "effective_port") else serving.port
    address = f"Dashboard: http://{serving.host}:{port}/ ({_who(serving.user, serving.read_only)})"
    run(server, on_ready=lambda: say(address, err=True))


def _who(user: str, read_only: bool) -> str:  # noqa: FBT001 - two words for one sentence
    what = "may look" if read_only else "may look and change"
    return f"{user or 'everybody who can connect'} {what}"
