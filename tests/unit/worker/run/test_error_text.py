"""Exceptions as text, whatever they contain."""

import pytest

from mongojobs.core.limits import LONGEST_ERROR, LONGEST_TRACE
from mongojobs.worker.run.error_text import error_text, summary


def raised(raise_it):
    """Return the exception that *raise_it* raises, with its traceback."""
    try:
        raise_it()
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError("nothing was raised")


def size(text):
    return len(text.encode())


class UnspeakableError(Exception):
    def __init__(self, error):
        self.error = error

    def __str__(self):
        raise self.error


class TestAnErrorText:
    @pytest.mark.behaviour("S72")
    def test_holds_message_and_place(self):
        def fails():
            raise ValueError("no luck")

        text = error_text(raised(fails))

        assert text.error == "ValueError: no luck"
        assert "test_error_text.py" in text.trace
        assert "in fails" in text.trace

    @pytest.mark.behaviour("S74")
    def test_of_an_exception_without_a_message_is_its_name(self):
        assert summary(ValueError()) == "ValueError"

    @pytest.mark.behaviour("X30")
    def test_of_forty_megabytes_is_cut(self):
        def fails():
            raise ValueError("x" * 40_000_000)

        text = error_text(raised(fails))

        assert size(text.error) <= LONGEST_ERROR
        assert size(text.trace) <= LONGEST_TRACE
        assert text.error.startswith("ValueError: xxx")
        assert text.error.endswith("(cut)")

    def test_is_cut_between_characters(self):
        text = error_text(ValueError("é" * LONGEST_ERROR))

        assert size(text.error) <= LONGEST_ERROR

    @pytest.mark.parametrize("error", [ValueError(), SystemExit(), RecursionError(), KeyboardInterrupt()])
    def test_of_an_exception_that_cannot_say_what_it_is_says_so(self, error):
        def fails():
            raise UnspeakableError(error)

        text = error_text(raised(fails))

        assert text.error == "UnspeakableError: (its message cannot be read)"
        assert "in fails" in text.trace

    def test_of_an_exception_group_names_its_members(self):
        def fails():
            raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])

        text = error_text(raised(fails))

        assert text.error == "ExceptionGroup: several (2 sub-exceptions)"
        assert "ValueError: one" in text.trace
        assert "TypeError: two" in text.trace

    def test_of_endless_recursion_is_short(self):
        def recurses():
            recurses()

        text = error_text(raised(recurses))

        assert text.error.startswith("RecursionError")
        assert size(text.trace) <= LONGEST_TRACE

    def test_has_nothing_that_the_database_refuses(self):
        text = error_text(ValueError("half a pair: \ud800, and a zero: \0"))

        assert text.error.encode() == b"ValueError: half a pair: \\ud800, and a zero: \0"

    def test_names_the_cause(self):
        def fails():
            try:
                raise KeyError("first")
            except KeyError as error:
                raise ValueError("second") from error

        text = error_text(raised(fails))

        assert "KeyError: 'first'" in text.trace

    def test_keeps_the_end_of_a_long_trace(self):
        def fails(depth):
            if depth:
                fails(depth - 1)
            raise ValueError("the end " + "x" * 1000)

        text = error_text(raised(lambda: fails(100)))

        assert text.trace.endswith("x")
