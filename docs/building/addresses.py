"""Each error names its heading on the page of errors, so the page must have it, on the site as on GitHub."""

import re
from pathlib import Path
from typing import Any

from mongojobs.core import errors


def missing(page: str) -> list[str]:
    """Return the errors whose address leads to no place of *page*, which is HTML."""
    places = set(re.findall(r'\bid="([^"]+)"', page))
    return [cls.__name__ for cls in _tree(errors.MongoJobsError) if _anchor(cls) not in places]


def _anchor(cls: type[errors.MongoJobsError]) -> str:
    error = cls.__new__(cls)  # some want more than a message to be made
    return error.address.partition("#")[2]


def _tree(root: type[errors.MongoJobsError]) -> list[type[errors.MongoJobsError]]:
    return [root, *(one for cls in root.__subclasses__() for one in _tree(cls))]


def _check(app: Any, error: Exception | None) -> None:
    page = Path(app.outdir) / "errors.html"
    lost = [] if error or not page.exists() else missing(page.read_text(encoding="utf-8"))
    if lost:
        raise RuntimeError(f"errors.html has no heading for {', '.join(lost)}")


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
