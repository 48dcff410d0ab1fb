"""The README is followed word by word: its files are written, its commands are run, its tables are compared."""

import dataclasses
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mongojobs.cli.main import COMMANDS
from mongojobs.core.settings import Settings, explanation
from mongojobs.core.words.durations import format_duration
from mongojobs.enqueuing.options import OPTIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FILE = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<text>.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(?P<lines>.*?)```", re.DOTALL)
SETTINGS = re.compile(r"(?<=tests/test_readme.py -->\n).*?(?=<!-- end of settings)", re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the README shows."""
    for block in FILE.finditer(README):
        (tmp_path / block["name"]).write_text(f"# {block['name']}\n{block['text']}")
    return tmp_path


@pytest.fixture
def run(folder, mongo_uri):
    """Runs a command in the folder; MONGODB_URI is that of the test's database, unless another is given, or none."""

    def run(command, uri=mongo_uri):
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        environment.pop("MONGODB_URI", None)
        environment |= {"MONGODB_URI": uri} if uri else {}
        return subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    return run


def settings_table():
    """The settings as a table in Markdown."""
    rows = [
        f"| `{field.name}` | {shown(field.metadata['default'])} | {explanation(field.name)} |"
        for field in dataclasses.fields(Settings)
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows]) + "\n"


def shown(default):
    value = format_duration(default) if isinstance(default, timedelta) else default
    return "" if value in (None, (), {}, "") else f"`{str(value).lower()}`"


class TestReadme:
    def test_quickstart_runs_and_updates_the_users(self, run, client, mongo_uri):
        outputs = [run(line.removeprefix("$ ")) for line in CONSOLE.search(README)["lines"].splitlines()]

        before, worked, after = outputs[2:]
        assert "mail" in before
        assert "receipt for order 1234" in worked
        assert "mail" not in after
        assert client.get_default_database()["user"].find_one()["level"] == 7

    def test_tour_of_enqueueing_stores_its_jobs(self, run, client):
        run("python tour.py")

        names = [job["name"] for job in client.get_default_database()["delayed_jobs"].find()]
        assert sorted(set(names)) == [
            "Newsletter",
            "Page#publish",
            "Page#reindex",
            "Page.rebuild_all",
            "Parcel#send",
            "pages.resize",
        ]

    def test_jobs_of_the_tour_run(self, run, client):
        run("python tour.py")

        log = run("mongojobs -A pages workoff 2>&1")

        assert "0 failed" in log
        assert (
            client.get_default_database()["delayed_jobs"].count_documents({"run_at": {"$lte": datetime.now(UTC)}}) == 0
        )

    def test_example_of_a_users_test_passes_without_a_database(self, run):
        assert "2 passed" in run("python -m pytest -q test_shop.py", uri=None)

    def test_settings_table_is_up_to_date(self):
        assert SETTINGS.search(README)[0] == settings_table()

    def test_names_every_option_of_an_enqueue(self):
        [sentence] = re.findall(r"^\*\*Options\*\* of every enqueue: .*?\.\s", README, re.MULTILINE | re.DOTALL)

        assert [name for name in OPTIONS if f"`{name}`" not in sentence] == []

    def test_procfile_example_is_what_the_readme_shows(self):
        lines = (ROOT / "Procfile.example").read_text().splitlines()

        assert all(f"       {line}\n" in README for line in lines)

    def test_every_command_in_the_table_exists(self, run):
        commands = set(re.findall(r"^| `mongojobs ([a-z][a-z-]*)", README, re.MULTILINE)) - {""}

        helps = [run(f"mongojobs {command} --help") for command in sorted(commands)]

        assert all("Usage:" in text for text in helps)

    def test_has_every_command_in_the_table(self):
        first_cells = re.findall(r"^\| (`mongojobs [^|]*)\|", README, re.MULTILINE)

        named = {name for cell in first_cells for name in re.findall(r"`(?:mongojobs )?([a-z-]+)", cell)}

        assert set(COMMANDS) <= named
