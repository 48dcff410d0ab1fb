"""``index.md`` lists all pages: the menu is made of it, and ``llms.txt``; the text of each page is beside it."""

import re
from pathlib import Path
from typing import Any

from building.reference import written_out

_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!## ).*\n?)*)", re.MULTILINE)
_PAGE = re.compile(r"^- \[(?P<title>.+?)\]\((?P<page>[\w-]+)\.md\)", re.MULTILINE)
_TREE = "\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def with_menu(index: str) -> str:
    """Return the text of ``index.md`` with what makes Sphinx's menu of it."""
    return index + "".join(
        _TREE.format(title=one["title"], pages=_menu(one["body"])) for one in _SECTION.finditer(index)
    )


def _menu(section: str) -> str:
    return "\n".join(f"{page['title']} <{page['page']}>" for page in _PAGE.finditer(section))


def _read(app: Any, name: str, source: list[str]) -> None:
    app.env.texts[name] = source[0]
    if name == app.config.root_doc:
        source[0] = with_menu(source[0])


def _write_texts(app: Any, error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    for name, text in app.env.texts.items():
        (folder / f"{name}.md").write_text(written_out(text), encoding="utf-8")
    (folder / "llms.txt").write_text(app.env.texts[app.config.root_doc], encoding="utf-8")


def _begin(_app: Any, env: Any, _names: list[str]) -> None:
    env.texts = {}


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("env-before-read-docs", _begin)
    app.connect("source-read", _read, priority=200)
    app.connect("build-finished", _write_texts)
    return {"parallel_read_safe": False}
