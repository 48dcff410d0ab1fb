"""What is shipped and what an import does (S21), and that nothing is stored of what jobs return (S18)."""

import email
import email.policy
import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires

import pytest

from mongojobs import job
from tests.support.command_line import ROOT, clean_environ
from tests.support.working import work_off

IMPORT_ALL = """
import importlib, pkgutil, sys, threading
import requests  # which opens a socket to see whether there is IPv6; Judoscale's package imports it
def refuse(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork")):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(refuse)
import django.conf  # whose models and admin pages can be imported in a project only, as in this one
django.conf.settings.configure(
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "mongojobs.django"]
)
django.setup()
import mongojobs
for name in mongojobs.__all__:
    getattr(mongojobs, name)
for module in pkgutil.walk_packages(mongojobs.__path__, "mongojobs."):
    if module.name != "mongojobs.__main__":
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("mongojobs.")]), threading.active_count())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, as it is built for users."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-qq", "-w", str(folder), "."]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True, timeout=120)
    [path] = folder.glob("mongojobs-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def metadata_of(wheel):
    """What an index shows of the package."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name), policy=email.policy.default)


def path_in_repository(link):
    return re.sub(r"^https://[\w.]+/mongojobs/mongojobs/(blob/)?main/", "", link).partition("#")[0]


class TestImporting:
    def test_every_module_touches_no_network_and_starts_nothing(self):
        ended = subprocess.run(
            [sys.executable, "-c", IMPORT_ALL], env=clean_environ({}), capture_output=True, text=True, check=False
        )

        assert ended.returncode == 0, ended.stderr
        modules, threads = map(int, ended.stdout.split())
        assert modules > 60
        assert threads == 1


class TestTheWheel:
    def test_holds_the_package_and_nothing_else(self, wheel):
        tops = {name.partition("/")[0] for name in wheel.namelist()}

        assert "mongojobs" in tops
        assert [top for top in tops if top != "mongojobs" and not top.endswith(".dist-info")] == []

    def test_holds_every_module_and_the_mark_of_its_types(self, wheel):
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / "mongojobs").rglob("*.py")}
        web = ROOT / "mongojobs/web"
        templates = [
            *(ROOT / "mongojobs/cli/templates").iterdir(),
            *web.rglob("templates/*"),
            *web.rglob("static/**/*.*"),
        ]

        shipped = {name for name in wheel.namelist() if name.startswith("mongojobs/")}
        assert shipped == modules | {str(path.relative_to(ROOT)) for path in templates} | {"mongojobs/py.typed"}

    def test_says_where_the_project_lives(self, wheel):
        described = metadata_of(wheel)

        labels = {url.partition(",")[0] for url in described.get_all("Project-URL")}
        assert labels == {"Homepage", "Documentation", "Changelog", "Source", "Issues"}

    def test_describes_itself_by_links_that_lead_somewhere_from_anywhere(self, wheel):
        links = re.findall(r"\]\(([^)]+)\)", metadata_of(wheel).get_payload())

        assert len(links) > 8
        assert [link for link in links if not link.startswith("https://")] == []
        assert [path for path in map(path_in_repository, links) if not (ROOT / path).is_file()] == []

    def test_holds_no_tests(self, wheel):
        assert [name for name in wheel.namelist() if "test_" in name or name.startswith("tests/")] == []

    def test_needs_four_packages(self):
        needed = [name for name in requires("mongojobs") if "extra ==" not in name]

        assert sorted(re.match(r"[\w-]+", name)[0] for name in needed) == [
            "click",
            "cronsim",
            "mongoengine",
            "pymongo",
        ]


@job
def returns(value: str) -> dict[str, str]:
    return {"password": value}


class TestAResult:
    def test_is_stored_nowhere(self, configure, client):
        configure(keep_completed="1d")
        returns.options(job_id="once").delay("kept")

        assert work_off() == (1, 0)

        database = client.get_default_database()
        documents = [found for name in database.list_collection_names() for found in database[name].find()]
        assert [found["state"] for found in documents if "state" in found] == ["completed"]
        assert "password" not in str(documents)
