"""The ids of jobs in addresses."""

import pytest
from bson import ObjectId
from werkzeug.exceptions import BadRequest

from mongojobs.web.ids import key_of, read_key

ID = ObjectId("65a1b2c3d4e5f60718293a4b")


@pytest.mark.parametrize("job_id", [ID, "order-7", "7", str(ID), "number-7", "a/b?c#d", "ü", 7, -7])
def test_an_id_comes_back_as_it_was(job_id):
    found = read_key(key_of(job_id))

    assert (found, type(found)) == (job_id, type(job_id))


@pytest.mark.parametrize(
    "key", ["7", "order-7", "number-", "number-x", "number-٣", "$ne", "x" * 24, "text-", "text-" + "x" * 400]
)
def test_what_is_not_a_key_is_refused(key):
    with pytest.raises(BadRequest):
        read_key(key)
