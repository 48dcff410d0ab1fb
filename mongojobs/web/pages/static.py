"""The pages' own files: style, scripts, icon."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from mongojobs.web.context import RequestContext

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_YEAR_SECONDS: Final = 31_536_000


def show(visit: RequestContext) -> Response:
    """Return a file; its address changes with its content, so a browser need not ask for it again."""
    name = str(visit.values["name"])
    text = _files().get(name)
    if text is None:
        raise NotFound("There is no such file.")
    response = Response(text, mimetype=_TYPES[PurePosixPath(name).suffix])
    if visit.text("v"):
        response.headers["Cache-Control"] = f"private, max-age={_YEAR_SECONDS}, immutable"
    return response


@cache
def _files() -> dict[str, bytes]:
    """Return all files by name; nothing else can be served, so no name can lead outside the folder."""
    folder = files("mongojobs.web") / "static"
    found = [("", folder), ("vendor/", folder / "vendor")]
    return {
        f"{prefix}{file.name}": file.read_bytes()
        for prefix, place in found
        for file in place.iterdir()
        if PurePosixPath(file.name).suffix in _TYPES
    }
