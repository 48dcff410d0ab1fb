"""Whoever opens the site asks nothing of anybody else: no font, no script, no picture from elsewhere."""

import re
from pathlib import Path
from typing import Any

_IN_PAGES = re.compile(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"'](?:https?:)?//[^\"']*")
_LINKED = re.compile(
    r"<link\b(?=[^>]*\brel=[\"'](?:stylesheet|preload|icon|preconnect|dns-prefetch)\b)[^>]*href=[\"'](?:https?:)?//[^\"']*"
)
_IN_STYLES = re.compile(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^\"')]*")
_PATTERNS = {".html": (_IN_PAGES, _LINKED, _IN_STYLES), ".css": (_IN_STYLES,)}


def requests_elsewhere(folder: Path) -> list[str]:
    """Return what the pages and styles in *folder* would load from another site."""
    return [
        f"{path.relative_to(folder)}: {found[0]}"
        for path in sorted(folder.rglob("*"))
        for pattern in _PATTERNS.get(path.suffix, ())
        for found in pattern.finditer(path.read_text(encoding="utf-8"))
    ]


def _check(app: Any, error: Exception | None) -> None:
    found = [] if error else requests_elsewhere(Path(app.outdir))
    if found:
        raise RuntimeError("the site would ask others: " + "; ".join(found))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
