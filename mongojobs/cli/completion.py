"""``mongojobs completion``: the script with which a shell completes commands, flags and queues."""

from __future__ import annotations

from typing import Final

import click

from mongojobs.cli.shared.options import Command

VARIABLE: Final = "_MONGOJOBS_COMPLETE"
"""The environment variable through which the script asks click. Source: click, shell completion."""


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, *, shell: str) -> None:
    """Print the script that makes SHELL complete commands, flags and queue names.

    \b
    bash:  mongojobs completion bash > ~/.local/share/bash-completion/completions/mongojobs
    zsh:   mongojobs completion zsh > ~/.zfunc/_mongojobs    (and fpath+=~/.zfunc in ~/.zshrc)
    fish:  mongojobs completion fish > ~/.config/fish/completions/mongojobs.fish
    """  # noqa: D301 - click reads the \b
    from click.shell_completion import get_completion_class

    asked = get_completion_class(shell)
    if asked is None:  # click knows all three
        raise click.UsageError(f"this version of click does not know {shell}")
    click.echo(asked(context.find_root().command, {}, "mongojobs", VARIABLE).source())
