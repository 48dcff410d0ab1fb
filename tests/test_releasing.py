"""What refuses a release: a version that nobody is told of, another tag, files that are not ours."""

import re
import tomllib
from email.message import Message

import pytest

from mongojobs.version import __version__
from tests.support.command_line import ROOT
from tests.support.releasing import notes, problems, stray_files, wrong_metadata

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LICENCES = ["LICENSE", "mongojobs/web/static/vendor/htmx.LICENSE", "mongojobs/web/static/vendor/uPlot.LICENSE"]


def metadata_of(project):
    """What an index shows of the *project*, if all is well."""
    message = Message()
    one = {
        "Name": "name",
        "Summary": "description",
        "License-Expression": "license",
        "Requires-Python": "requires-python",
    }
    many = {
        "License-File": LICENCES,
        "Classifier": project["classifiers"],
        "Project-URL": [f"{label}, {url}" for label, url in project["urls"].items()],
        "Provides-Extra": project["optional-dependencies"],
        "Requires-Dist": [*project["dependencies"], "jinja2>=3.1; extra == 'web'"],
    }
    headers = [(name, project[key]) for name, key in one.items()]
    headers += [(name, value) for name, values in many.items() for value in values]
    for name, value in headers:
        message[name] = value
    return message


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

    def test_names_metadata_that_differ_from_the_project(self):
        shown = metadata_of(PROJECT)

        assert wrong_metadata(PROJECT, shown) == []
        assert [one.partition(" is")[0] for one in wrong_metadata({**PROJECT, "requires-python": ">=3.9"}, shown)] == [
            "its Requires-Python"
        ]
        assert [one.partition(" is")[0] for one in wrong_metadata({**PROJECT, "dependencies": []}, shown)] == [
            "its Requires-Dist"
        ]

    def test_has_the_text_of_the_changelog(self):
        text = "## [0.2.0] - 2026-12-01\n\n### Added\n\n- [A thing](docs/a.md).\n\n## [0.1.0]\n\nThe first.\n"

        link = "https://github.com/mongojobs/mongojobs/blob/v0.2.0/docs/a.md"
        assert notes("0.2.0", text) == f"### Added\n\n- [A thing]({link})."
        assert notes("0.1.0", text) == "The first."


def test_the_version_has_its_heading_in_the_changelog():
    assert re.search(rf"^## \[{re.escape(__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_ci_tries_each_python_that_the_package_names():
    [tried] = re.findall(r"python: \[(.+)\]", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    named = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]

    assert re.findall(r'"(.+?)"', tried) == named


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
