"""Words of code break after a sign, so that a page fits on a phone: long ones everywhere, others only in tables."""

import re
from html import unescape
from typing import Any

LONG = 24

_WORD = re.compile(r'(?<=<span class="pre">)[^<]+')
_SIGN = re.compile(r"(?<=[a-zA-Z0-9)\];])([._(/|=:,]+)(?=\w{3})")


def breakable(body: str) -> str:
    """Return the *body* of a page with a place to break after each sign in a word of code."""
    return _WORD.sub(lambda word: _SIGN.sub(rf"\1{_place(word[0])}", word[0]), body)


def _place(word: str) -> str:
    return "<wbr>" if len(unescape(word)) > LONG else '<wbr class="in-table">'


def _change(_app: Any, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    context["body"] = breakable(context.get("body", ""))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's way in."""
    app.connect("html-page-context", _change)
    return {"parallel_read_safe": True}
