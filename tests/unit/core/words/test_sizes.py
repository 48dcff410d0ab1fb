"""Sizes as people write them."""

import pytest

from mongojobs.core.words.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [(4096, 4096), ("4096", 4096), ("64k", 65536), ("64 KiB", 65536), ("1.5m", 1572864), ("1G", 2**30), ("2tb", 2**41)],
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("odd", ["", "k", "-1k", "1x", "1e3", True, None, 1.5j])
def test_what_is_no_size_is_refused(odd):
    with pytest.raises(ValueError, match="must be a size such as 64k, 400M or 1G"):
        parse_size(odd)


@pytest.mark.parametrize(("size", "text"), [(65536, "64k"), (2**20, "1M"), (3 * 2**30, "3G"), (5000, "5,000 bytes")])
def test_a_size_is_written_in_its_largest_whole_unit(size, text):
    assert format_size(size) == text
