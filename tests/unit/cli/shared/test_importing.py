import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from mongojobs.cli.shared.failures import Failure
from mongojobs.cli.shared.importing import import_app

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder; everything is undone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield lambda name, text: tmp_path.joinpath(f"{name}.py").write_text(text) and None
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(spec: str) -> Failure:
    with pytest.raises(Failure) as refused:
        import_app(spec)
    return refused.value


def test_a_module_of_the_current_folder_is_found(write):
    write("shop", "x = 1")

    assert import_app("shop").x == 1


def test_an_attribute_is_returned_as_it_is(write):
    write("shop", "class Part:\n    flask = object()\n")

    assert import_app("shop:Part.flask") is sys.modules["shop"].Part.flask


def test_a_factory_is_called(write):
    write("shop", "def create_app(config=None): return 'made'")

    assert import_app("shop:create_app") == "made"


def test_a_missing_module_comes_with_a_hint(write, tmp_path):
    refused = refusal("no_such_shop.jobs")

    assert refused.exit_code == 3
    assert f"No module named 'no_such_shop'. Python looks in {tmp_path} first" in refused.message


def test_a_module_that_the_app_misses_is_the_apps_own_affair(write, capsys):
    write("shop", "import no_such_library")

    assert refusal("shop").message == "cannot import shop: ModuleNotFoundError: No module named 'no_such_library'"
    assert 'shop.py", line 1' in capsys.readouterr().err


def test_the_traceback_shows_the_apps_code_only(write, capsys):
    write("shop", "1 / 0")

    refusal("shop")

    assert "mongojobs" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(2)", "it ends the program"),
        ("import mongojobs\nmongojobs.job(lambda: 1)", "no worker could find"),
    ],
)
def test_other_ways_to_fail_are_said_plainly(write, text, message, capsys):
    write("shop", text)

    refused = refusal("shop")

    assert (refused.exit_code, capsys.readouterr().err) == (3, "")
    assert message in refused.message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shop:nothing", "shop has no 'nothing'"),
        ("shop:needy", "needs arguments"),
        ("shop.py", "try --app shop"),
        ("./shop/jobs.py", "try --app shop.jobs"),
        ("__main__", "jobs cannot be in __main__"),
    ],
)
def test_misspellings_are_reported(write, spec, message):
    write("shop", "def needy(x): pass")

    refused = refusal(spec)

    assert refused.exit_code == 3
    assert message in refused.message


def test_what_is_not_a_name_is_bad_usage(write):
    with pytest.raises(click.UsageError, match="takes MODULE or MODULE:ATTR"):
        import_app("sh op")


def test_a_bad_setting_in_the_app_is_bad_usage(write):
    write("shop", "import mongojobs\nmongojobs.Settings(threads=0)")

    refused = refusal("shop")

    assert refused.exit_code == 2
    assert "threads must be between 1 and 1000, got 0" in refused.message
