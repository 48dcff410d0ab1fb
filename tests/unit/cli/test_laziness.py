"""Help and other commands about the command line itself load neither the driver nor the app."""

import subprocess
import sys

import pytest

from mongojobs.plugins.heartbeat_file import HeartbeatFile
from tests.support.command_line import ROOT, clean_environ

HEAVY = ("bson", "pymongo", "mongoengine", "tests.support.sample_app")

REPORT = """
import sys
from mongojobs.cli.main import main
try:
    main()
finally:
    print("loaded:", *(set(sys.modules) & {heavy}), file=sys.stderr)
"""


def loaded_by(*arguments: str, **environ: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", REPORT.format(heavy=set(HEAVY)), *arguments],
        cwd=ROOT,
        env=clean_environ({"MONGOJOBS_APP": "tests.support.sample_app"} | environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout
    return ended.stderr.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["version"],
        *([name, "--help"] for name in ("jobs", "queues", "workers", "top", "enqueue", "requeue", "purge", "latency")),
        *([name, "--help"] for name in ("work", "workoff", "explain", "daemon", "doctor", "web", "metrics", "config")),
        ["version", "--json"],
        *(["jobs", verb, "--help"] for verb in ("list", "retry", "why", "run")),
    ],
    ids=" ".join,
)
def test_help_and_version_load_nothing_heavy(arguments):
    assert loaded_by(*arguments) == "loaded:"


@pytest.mark.parametrize("words", ["mongojobs ", "mongojobs w", "mongojobs jobs ", "mongojobs --lo"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_loads_nothing_heavy(words, shell):
    typed = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    assert loaded_by(_MONGOJOBS_COMPLETE=f"{shell}_complete", **typed) == "loaded:"


def test_the_help_of_a_command_does_not_load_the_app():
    assert "sample_app" not in loaded_by("work", "--help")


def test_health_loads_neither_the_app_nor_the_driver(tmp_path):
    HeartbeatFile(tmp_path / "alive").beat()

    assert loaded_by("health", f"--heartbeat-file={tmp_path / 'alive'}") == "loaded:"
