"""A module with a declared job, which no worker of the tests imports: only a planted document could want that."""

from mongojobs import job


@job
def attack() -> None:
    """Never run."""
    raise AssertionError("a document had this module imported")
