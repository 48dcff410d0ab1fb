"""An app for the test of Sentry in process mode: what the SDK would send, in whatever process, is in a file."""

import json
import os
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.transport import Transport

import mongojobs
from mongojobs.plugins.sentry import SentryPlugin


class Ledger(Transport):
    """Notes each item with the process that sends it."""

    def capture_envelope(self, envelope: Any) -> None:
        """Write a line for each item."""
        sent = [{"pid": os.getpid(), "type": item.type, **(item.payload.json or {})} for item in envelope.items]
        with Path(os.environ["SENTRY_LEDGER"]).open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(one)}\n" for one in sent)


if "SENTRY_LEDGER" in os.environ:
    dsn = "http://key@127.0.0.1:1/1"
    sentry_sdk.init(dsn=dsn, transport=Ledger(), traces_sample_rate=1.0, auto_enabling_integrations=False)
    mongojobs.configure(plugins=[SentryPlugin])


@mongojobs.job(max_attempts=1, sensitive=("secret",))
def breaks(secret: str) -> None:
    """Fail in a span of its own."""
    with sentry_sdk.start_span(op="db", name="inside"):
        raise ValueError(f"cannot use {secret}")
