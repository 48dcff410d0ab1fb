"""Which tests `scripts/test --quick` chooses."""

from tests.support.changes import tests_of as chosen


def test_a_module_is_tested_by_those_of_its_room():
    assert chosen(["mongojobs/worker/run/runner.py"]) == ["tests/contract/worker", "tests/unit/worker"]


def test_a_room_without_contract_tests_has_its_unit_tests():
    assert chosen(["mongojobs/plugins/probes.py"]) == ["tests/unit/plugins"]


def test_all_rooms_stand_on_the_core():
    assert chosen(["mongojobs/core/job.py", "mongojobs/store/faults.py"]) == ["tests/contract/store", "tests/unit"]


def test_a_changed_test_is_run():
    assert chosen(["tests/unit/core/test_retry.py"]) == ["tests/unit/core/test_retry.py"]


def test_a_changed_test_of_a_changed_room_is_run_once():
    assert chosen(["mongojobs/store/faults.py", "tests/unit/store/test_faults.py"]) == [
        "tests/contract/store",
        "tests/unit/store",
    ]


def test_what_is_gone_cannot_be_run():
    assert chosen(["tests/unit/core/test_gone.py"]) == ["tests/unit"]


def test_all_unit_tests_are_run_if_nothing_of_a_room_has_changed():
    assert chosen(["README.md", "mongojobs/__init__.py", "tests/web/test_login.py"]) == ["tests/unit"]
