"""``mongojobs doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_app
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.core.words.wording import counted, printable

if TYPE_CHECKING:
    from mongojobs.app.doctor.findings import Diagnosis, Finding

_COLORS: Final = {"fault": "red", "advice": "yellow"}


@with_options(json_option())
@click.command(cls=Command)
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Find what is wrong with the settings, the database, the workers and the stored jobs, and say what to do.

    Changes nothing. Exits with status 1 if something is wrong; advice alone does not count. With --app it also compares
    the stored jobs with the code.
    """
    from mongojobs.app.doctor.examine import examine

    options: GlobalOptions = context.obj
    opened = open_app(options)
    named = opened.named if opened.modules else None
    diagnosis = examine(opened.app, os.environ, named=named, shows_uri="uri" in options.settings)
    if as_json:
        print_json(_document(diagnosis, opened.place_if_known))
    else:
        _print(diagnosis, opened.place_if_known)
    context.exit(0 if diagnosis.is_healthy else NO)


def _print(diagnosis: Diagnosis, place: str | None) -> None:
    say(", ".join(f"{name} {value}" for name, value in diagnosis.facts.items()))
    say(f"Jobs: {place or 'no connection is configured'}\n")
    for finding in diagnosis.findings:
        label = click.style(finding.severity.capitalize(), fg=_COLORS[finding.severity], bold=True)
        click.echo(f"{label}: {printable(finding.text)}\n  Fix: {printable(finding.remedy)}\n")
    say(_verdict(diagnosis))


def _verdict(diagnosis: Diagnosis) -> str:
    faults = sum(finding.severity == "fault" for finding in diagnosis.findings)
    if faults:
        return f"{counted(faults, 'fault')} found"
    return "Nothing is wrong, but heed the advice" if diagnosis.findings else "Nothing is wrong"


def _document(diagnosis: Diagnosis, place: str | None) -> dict[str, object]:
    return {
        "healthy": diagnosis.is_healthy,
        "jobs": place,
        "facts": diagnosis.facts,
        "findings": [_finding(finding) for finding in diagnosis.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {"kind": finding.kind, "severity": finding.severity, "text": finding.text, "remedy": finding.remedy}
