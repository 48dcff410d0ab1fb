"""What comes from others is what they published, with its licence."""

import hashlib
import re
import tomllib

import pytest

from tests.support.command_line import ROOT

FOLDER = ROOT / "mongojobs/web/static/vendor"
PACKAGES = tomllib.loads((FOLDER / "vendored.toml").read_text())
FILES = [(name, digest) for package in PACKAGES.values() for name, digest in package["sha256"].items()]


@pytest.mark.parametrize(("name", "digest"), FILES)
def test_a_file_is_as_it_was_published(name, digest):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_a_package_has_its_licence_and_version_beside_it(package):
    assert len((FOLDER / package["license_file"]).read_text()) > 300
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])


def test_there_is_nothing_else():
    licences = {package["license_file"] for package in PACKAGES.values()}

    assert {file.name for file in FOLDER.iterdir()} == {name for name, _ in FILES} | licences | {"vendored.toml"}


def test_own_files_name_no_other_host():
    texts = [file.read_text() for file in FOLDER.parent.iterdir() if file.is_file()]

    hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.[a-z]{2,})", "\n".join(texts)))
    assert hosts == {"www.w3.org"}  # the name of SVG's namespace
