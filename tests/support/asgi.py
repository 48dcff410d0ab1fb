"""Asking an ASGI application, without a server."""

import json
from typing import Any


async def ask(application: Any, method: str, path: str) -> Any:
    """Return what the JSON of the answer says."""
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "headers": [], "query_string": b""}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return json.loads(b"".join(message.get("body", b"") for message in sent))
