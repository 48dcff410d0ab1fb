import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from mongojobs.cli.shared.failures import failure
from mongojobs.core import errors
from mongojobs.store.faults import DatabaseError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.SettingsError("threads must be 1 or more", setting="threads"), 2),
        (errors.ConfigurationError("the URI names no database"), 2),
        (errors.ConnectionMissingError("no MongoDB connection"), 4),
        (errors.ServerTooOldError("needs MongoDB 6.0"), 4),
        (errors.StoreUnavailableError("not available"), 4),
        (AutoReconnect("connection closed"), 4),
        (OperationFailure("not authorized", 13), 4),
        (DatabaseError("of the driver"), 4),
        (errors.StateError("it is running"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_status(error, status):
    assert failure(error).exit_code == status


def test_errors_of_the_driver_do_not_show_credentials():
    assert "secret" not in failure(AutoReconnect("mongodb://u:secret@h/db: closed")).message


def test_what_nobody_foresaw_keeps_its_traceback():
    assert failure(ZeroDivisionError("division by zero")) is None
