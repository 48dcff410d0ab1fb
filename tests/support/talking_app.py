"""An app whose jobs print, and do to the log what apps do."""

import io
import logging
import logging.config
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import mongoengine

from mongojobs import job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

ROOT: dict[str, Any] = {"level": "CRITICAL", "handlers": []}
MUTED: dict[str, Any] = {"level": "CRITICAL", "propagate": False, "handlers": ["none"], "filters": ["never"]}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "disables": {"version": 1},
    "takes the root": {"version": 1, "disable_existing_loggers": False, "root": ROOT},
    "mutes": {
        "version": 1,
        "filters": {"never": {"()": lambda: lambda _record: False}},
        "handlers": {"none": {"class": "logging.NullHandler"}},
        "loggers": {"mongojobs": MUTED},
        "root": ROOT,
    },
}

if "CONFIGURED" in os.environ:
    logging.config.dictConfig(CONFIGURATIONS[os.environ["CONFIGURED"]])


def _close() -> None:
    sys.stdout.close()
    sys.stdout = io.StringIO()


SILENCES: dict[str, Callable[[], object]] = {
    **{name: partial(logging.config.dictConfig, configuration) for name, configuration in CONFIGURATIONS.items()},
    "disables all": lambda: logging.disable(logging.CRITICAL),
    "forces": lambda: logging.basicConfig(force=True, handlers=[logging.NullHandler()]),
    "shuts down": logging.shutdown,
    "closes": _close,
}


@job
def silences(ledger: str, how: str) -> None:
    SILENCES[how]()
    note(ledger, "silenced")


@job(max_attempts=1)
def fails(text: str) -> None:
    raise ValueError(text)


@job
def prints(ledger: str) -> None:
    for number in range(2000):
        print("snow ☃ and 😀", number)
    print("snow ☃", file=sys.stderr, flush=True)
    note(ledger, "printed")
