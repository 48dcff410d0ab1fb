"""Texts cut to the size that is kept."""

import pytest

from mongojobs.core.limits import LONGEST_ERROR, cut, cut_middle


class TestCut:
    @pytest.mark.parametrize("length", [LONGEST_ERROR - 1, LONGEST_ERROR])
    def test_leaves_a_text_that_fits(self, length):
        assert cut("x" * length, LONGEST_ERROR) == "x" * length

    @pytest.mark.parametrize("letter", ["x", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{SNOWMAN}", "\N{PILE OF POO}"])
    def test_cuts_a_text_that_does_not_and_says_so(self, letter):
        text = cut(letter * (LONGEST_ERROR + 1), LONGEST_ERROR)

        assert LONGEST_ERROR - 20 < len(text.encode()) <= LONGEST_ERROR
        assert text.endswith("... (cut)")

    def test_replaces_what_cannot_be_written(self):
        assert cut("a\ud800b", 10) == "a?b"


class TestCutInTheMiddle:
    def test_leaves_a_text_that_fits(self):
        assert cut_middle("x" * 100, 100) == "x" * 100

    @pytest.mark.parametrize("letter", ["x", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{SNOWMAN}", "\N{PILE OF POO}"])
    def test_leaves_beginning_and_end_of_one_that_does_not(self, letter):
        text = cut_middle(f"begin{letter * 200}end", 100)

        assert 80 < len(text.encode()) <= 100
        assert (text[:5], text[-3:]) == ("begin", "end")
        assert " ... (cut) ... " in text

    def test_replaces_what_cannot_be_written(self):
        assert cut_middle("a\ud800b", 10) == "a?b"
