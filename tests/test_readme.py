"""The README is followed word by word: its files are written, its commands are run, its figures were measured."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILE = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<text>.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(?P<lines>.*?)```", re.DOTALL)


@pytest.fixture
def run(tmp_path, mongo_uri):
    """Runs a command in a folder with the README's files; MONGODB_URI is that of the test's database."""
    for block in FILE.finditer(README):
        (tmp_path / block["name"]).write_text(f"# {block['name']}\n{block['text']}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(command):
        environment = os.environ | {"PATH": path, "MONGODB_URI": mongo_uri}
        return subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    return run


class TestReadme:
    def test_quickstart_runs_and_updates_the_users(self, run, client):
        outputs = [run(line.removeprefix("$ ")) for line in CONSOLE.search(README)["lines"].splitlines()]

        before, worked, after = outputs[2:]
        assert "mail" in before
        assert "receipt for order 1234" in worked
        assert "mail" not in after
        assert client.get_default_database()["user"].find_one()["level"] == 7

    def test_procfile_example_is_what_the_readme_shows(self):
        lines = (ROOT / "Procfile.example").read_text(encoding="utf-8").splitlines()

        assert all(f"    {line}\n" in README for line in lines)

    def test_quotes_figures_that_were_measured(self):
        [paragraph] = re.findall(r"^- \*\*It is quick.*?(?=\n\n)", README, re.MULTILINE | re.DOTALL)
        quoted = re.findall(r"\d[\d,.]*\d", paragraph)

        measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")

        assert len(quoted) > 4
        assert [figure for figure in quoted if f"| {figure} |" not in measured] == []
