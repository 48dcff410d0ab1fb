"""What refuses a release: a version that nobody is told of, another tag, files that are not ours."""

import re

import pytest

from mongojobs.version import __version__
from tests.support.command_line import ROOT
from tests.support.releasing import problems, stray_files

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


class TestARelease:
    def test_that_the_changelog_tells_of_is_let_pass(self):
        assert problems("0.2.0", CHANGELOG, {"0.2"}, "v0.2.0") == []

    def test_without_its_heading_is_refused(self):
        assert problems("0.2.1", CHANGELOG, {"0.2"}) == ["CHANGELOG.md has no heading '## [0.2.1] - YYYY-MM-DD'"]

    def test_with_changes_that_are_still_unreleased_is_refused(self):
        [problem] = problems(
            "0.2.0", CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n### Fixed\n\n- It.\n"), {"0.2"}
        )

        assert problem.startswith("CHANGELOG.md lists changes under [Unreleased]")

    def test_of_another_tag_is_refused(self):
        assert problems("0.2.0", CHANGELOG, {"0.2"}, "v0.3.0") == [
            "the tag is v0.3.0, and mongojobs/version.py says 0.2.0"
        ]

    def test_without_a_dump_of_its_stored_jobs_is_refused(self):
        assert problems("0.2.0", CHANGELOG, {"0.1"}) == ["tests/stored has no 0.2.json: run scripts/dump 0.2"]

    def test_names_stray_files_of_its_wheel(self):
        shipped = ["mongojobs/job.py", "mongojobs-0.2.0.dist-info/METADATA", "mongojobs/notes.txt", "tests/x.py"]

        assert stray_files(shipped, {"mongojobs/job.py"}) == ["mongojobs/notes.txt", "tests/x.py"]


def test_the_version_has_its_heading_in_the_changelog():
    assert re.search(rf"^## \[{re.escape(__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestAWorkflow:
    def test_pins_what_it_uses_by_hash(self, path):
        used = re.findall(r"uses: (\S+)(.*)", path.read_text())

        assert [name for name, _ in used if not re.search(r"@[0-9a-f]{40}$", name)] == []
        assert [name for name, comment in used if not re.match(r" # v\d", comment)] == []

    def test_may_do_nothing_unless_a_job_says_so(self, path):
        assert re.search(r"^permissions: \{\}$", path.read_text(), re.MULTILINE)

    def test_calls_scripts_that_are_there(self, path):
        called = set(re.findall(r"\b(scripts/[\w-]+)", path.read_text()))

        assert [name for name in sorted(called) if not (ROOT / name).is_file()] == []
