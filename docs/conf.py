"""The site of the docs: ``scripts/docs`` builds it of the Markdown beside this file, which GitHub shows as well."""

import sys
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

from mongojobs.version import __version__

sys.path.insert(0, str(Path(__file__).parent))  # where our own extensions are

project = "mongojobs"
author = copyright = "The mongojobs authors"  # noqa: A001 - Sphinx calls it so
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "building.links",
    "building.tree",
    "building.reference",
    "building.words",
    "building.offline",
    "building.addresses",
]
root_doc = "index"
exclude_patterns = ["examples", "building"]
templates_path = ["building/templates"]

myst_heading_anchors = 3
"""So deep headings can be linked to, by the names that GitHub gives them."""
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
python_use_unqualified_type_names = True
toc_object_entries = False
"""The headings of the page of names are its contents."""

html_theme = "furo"
html_title = f"mongojobs {version}"
html_show_sourcelink = False
html_copy_source = False
html_use_index = False  # nothing leads there, and the page of names has all of it
html_favicon = "../mongojobs/web/static/icon.svg"
html_static_path = ["building/static"]
html_css_files = ["site.css"]
html_additional_pages = {"404": "404.html"}
html_theme_options = {
    "source_repository": "https://github.com/mongojobs/mongojobs/",
    "source_branch": "main",
    "source_directory": "docs/",
}


def setup(app: Any) -> None:
    """Show drawings as GitHub's source of them, for a picture of them would be drawn by a script from elsewhere."""
    app.add_lexer("mermaid", TextLexer)
