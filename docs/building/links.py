"""Links out of the docs: GitHub follows them by their paths, the site to the repository and the page of the README."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/mongojobs/mongojobs/blob/main/"
README = "readme"
"""The page that the README is on the site."""

_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)((?:#[^)\s]*)?)\)")


def as_on_the_site(text: str, folder: Path) -> str:
    """Return *text*, of a file in *folder*, with its links to files as the site needs them."""
    return _LINK.sub(lambda link: f"]({_target(folder / link[1])}{link[2]})", text)


def _target(path: Path) -> str:
    path = path.resolve()
    if path == ROOT / "README.md":
        return f"{README}.md"
    if path.is_relative_to(ROOT / "docs") and not path.is_relative_to(ROOT / "docs" / "examples"):
        return path.relative_to(ROOT / "docs").as_posix()
    if not path.exists():
        raise FileNotFoundError(f"a page links to {path}, which is not there")
    return REPOSITORY + path.relative_to(ROOT).as_posix()


def _read(app: Any, name: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(name))
    if name == README:
        source[0] = as_on_the_site((ROOT / "README.md").read_text(encoding="utf-8"), ROOT)
    else:
        source[0] = as_on_the_site(source[0], path.parent)


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("source-read", _read, priority=100)
    return {"parallel_read_safe": True}
