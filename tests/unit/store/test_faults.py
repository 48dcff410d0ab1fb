"""What the driver's errors mean."""

from unittest.mock import Mock

import dns.resolver
import pytest
from dns.name import EmptyLabel, LabelTooLong
from dns.resolver import NXDOMAIN, LifetimeTimeout, NoNameservers
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from mongojobs.store import faults

NOTHING_WRITTEN = [
    ServerSelectionTimeoutError("no server"),
    DuplicateKeyError("twice", 11000),
    WriteError("refused", 121),
    OperationFailure("not allowed", 13),
    OperationFailure("wrong password", 18),
    OperationFailure("bad hint", 2),
    AutoReconnect("stepped down", {"errorLabels": ["NoWritesPerformed", "RetryableWriteError"]}),
    InvalidOperation("ended session"),
    ConfigurationError("bad option"),
]
PERHAPS_WRITTEN = [
    AutoReconnect("connection closed"),
    NetworkTimeout("timed out"),
    WaitQueueTimeoutError("after a first try that nobody saw"),
    NotPrimaryError("stepped down"),
    WriteConcernError("not confirmed", 64),
    WTimeoutError("not confirmed in time", 64),
    ExecutionTimeout("took too long", 50),
    OperationFailure("interrupted at shutdown", 11600),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
]


class TestWhetherItWasWritten:
    @pytest.mark.parametrize("error", NOTHING_WRITTEN, ids=lambda error: type(error).__name__)
    def test_is_ruled_out_by_some_errors(self, error):
        assert faults.proves_nothing_written(error)
        assert not faults.is_ambiguous(error)

    @pytest.mark.parametrize("error", PERHAPS_WRITTEN, ids=lambda error: type(error).__name__)
    def test_is_left_open_by_others(self, error):
        assert faults.is_ambiguous(error)
        assert not faults.proves_nothing_written(error)

    def test_is_no_question_of_errors_that_are_not_the_databases(self):
        assert not faults.is_ambiguous(ValueError("x"))


class TestIsRefused:
    @pytest.mark.parametrize("code", [13, 18])
    def test_of_credentials(self, code):
        assert faults.is_refused(OperationFailure("no", code))
        assert faults.unavailable(OperationFailure("no", code)).refused

    @pytest.mark.parametrize("code", [20, 59, 115, 301, 322, 323, 8000])
    def test_of_what_the_server_does_not_support_or_allow(self, code):
        assert faults.is_refused(OperationFailure("no", code))
        assert not faults.is_passing(OperationFailure("no", code))

    def test_of_what_the_driver_cannot_do_with_this_server(self):
        assert faults.is_refused(ConfigurationError("this server does not support load balancing"))

    def test_not_of_an_outage(self):
        assert not faults.is_refused(AutoReconnect("gone"))
        assert not faults.unavailable(AutoReconnect("gone")).refused


class TestANameThatCannotBeResolved:
    """The driver reports it as a configuration error, whatever the name service said."""

    @pytest.mark.parametrize("cause", [NXDOMAIN(), NoNameservers(), LifetimeTimeout(timeout=1, errors=[])])
    def test_may_be_resolved_later(self, cause, monkeypatch):
        error = told_by_the_driver(cause, monkeypatch)

        assert faults.is_passing(error)
        assert not faults.is_refused(error)
        assert not faults.is_ambiguous(error)

    @pytest.mark.parametrize("cause", [LabelTooLong(), EmptyLabel()])
    def test_is_refused_where_it_can_be_no_name(self, cause, monkeypatch):
        error = told_by_the_driver(cause, monkeypatch)

        assert faults.is_refused(error)
        assert not faults.is_passing(error)


def told_by_the_driver(cause, monkeypatch):
    """Return what the driver raises when asking the name service raises *cause*."""
    monkeypatch.setattr(dns.resolver, "resolve", Mock(side_effect=cause))
    with pytest.raises(ConfigurationError) as told:
        MongoClient("mongodb+srv://cluster.example.org/shop")
    return told.value


class TestDescribe:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (
                ServerSelectionTimeoutError("h:1: refused, Timeout: 30s, Topology Description: <Topology ...>"),
                "h:1: refused",
            ),
            (OperationFailure("no", 13, {"keyValue": {"email": "x@y"}}), "no"),
            (AutoReconnect("two\nlines"), "two lines"),
            (AutoReconnect("at mongodb://user:secret@host/db it broke"), "at [...] it broke"),
            (AutoReconnect("user:secret@host"), "[...]"),
            (AutoReconnect(""), "AutoReconnect"),
            (
                OperationFailure(
                    'not authorized on x to execute command { insert: "jobs", documents: [ "secret" ] }', 13
                ),
                'not authorized on x to execute the command insert on "jobs"',
            ),
        ],
    )
    def test_is_one_line_without_secrets_or_documents(self, error, text):
        assert faults.describe(error) == text

    def test_is_short(self):
        assert len(faults.describe(AutoReconnect("x" * 1000))) == 300
