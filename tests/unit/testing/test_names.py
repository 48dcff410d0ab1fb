"""``mongojobs.testing``: its names, loaded at first use."""

import pytest

import mongojobs.testing


def test_the_public_names_are_these():
    assert set(mongojobs.testing.__all__) == {
        "Mode",
        "assert_enqueued",
        "cancel",
        "drain",
        "enqueued_jobs",
        "logged",
        "mode",
        "perform",
        "refute_enqueued",
        "tick",
        "travel",
    }


def test_all_of_them_can_be_listed_and_had():
    names = dir(mongojobs.testing)

    assert names == sorted(mongojobs.testing.__all__)
    assert all(getattr(mongojobs.testing, name).__name__ == name for name in names)


def test_there_are_no_others():
    with pytest.raises(AttributeError, match="has no attribute 'imaginary'"):
        _ = mongojobs.testing.imaginary
