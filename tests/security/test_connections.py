"""The app's TLS options hold for the worker's own connections (S20)."""

import ssl

import mongoengine
import pytest

from mongojobs import MongoJobs, Settings, StoreUnavailableError
from mongojobs.store import clients

AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUbJecHFdHvKRjba4Lp+O8oQs+5FUwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRbW9uZ29qb2JzIHRlc3QgQ0EwIBcNMjYxMTI1MTA0OTA4WhgP
MjEyNjExMDExMDQ5MDhaMBwxGjAYBgNVBAMMEW1vbmdvam9icyB0ZXN0IENBMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwfdCwVWkkYBTPdqR8SlpnfdEt/0l8BDG
Mb5Bww0kThPbe7VqPTnTvkdpyj5mAmwDWSnv4CpWnRJHwilLXIpWBKNTMFEwHQYD
VR0OBBYEFA4dm/OPdI9vDxMl+cuc67wzEP88MB8GA1UdIwQYMBaAFA4dm/OPdI9v
DxMl+cuc67wzEP88MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
PgRU3nRLN0aufRwXTnBlvn8eS7BYyKwsNkh6O2YPXV4CIDtvMJTd1QFMXe0tCps/
L1nuRrKPXSZTY60KQsU0MO8Y
-----END CERTIFICATE-----
"""
NOBODY = "mongodb://127.0.0.1:1/shop"
USUAL = {"serverSelectionTimeoutMS": 10, "uuidRepresentation": "standard"}


@pytest.fixture
def authority(tmp_path):
    """A file with the certificate of an authority, which signs nothing."""
    path = tmp_path / "authority.pem"
    path.write_text(AUTHORITY)
    return str(path)


@pytest.fixture
def opened(monkeypatch):
    """The clients that a worker opens, although nothing answers them."""
    kept, open_client = [], clients.open_client

    def keep(*arguments, **options):
        kept.append(open_client(*arguments, **options))
        return kept[-1]

    monkeypatch.setattr(clients, "open_client", keep)
    yield kept
    for client in kept:
        client.close()
    mongoengine.disconnect_all()


def of_uri(authority):
    uri = f"{NOBODY}?tls=true&tlsCAFile={authority}&tlsAllowInvalidHostnames=true&serverSelectionTimeoutMS=10"
    return MongoJobs(Settings(uri=uri))


def of_mongoengine_by_uri(authority):
    mongoengine.connect(host=f"{NOBODY}?tls=true&tlsCAFile={authority}&tlsAllowInvalidHostnames=true", **USUAL)
    return MongoJobs()


def of_mongoengine_by_arguments(authority):
    options = {"tls": True, "tlsCAFile": authority, "tlsAllowInvalidHostnames": True}
    mongoengine.connect(host=NOBODY, **options, **USUAL)
    return MongoJobs()


def tls_of(client):
    """Return the TLS options that a client was given."""
    return {name.lower(): value for name, value in client.options._options.items() if name.lower().startswith("tls")}


class TestTlsOptions:
    @pytest.mark.parametrize("source", [of_uri, of_mongoengine_by_uri, of_mongoengine_by_arguments])
    def test_reach_the_clients_of_a_worker_unchanged(self, opened, authority, source):
        app = source(authority)

        with pytest.raises(StoreUnavailableError):
            app.connect_worker(app.settings)

        own = [client for client in opened if client.options.pool_options.appname]
        assert [client.options.pool_options.appname for client in own[-2:]] == ["mongojobs", "mongojobs-heartbeat"]
        told = {"tls": True, "tlscafile": authority, "tlsallowinvalidhostnames": True}
        assert [tls_of(client) for client in own] == [told] * len(own)

    def test_are_none_where_none_were_given(self, opened):
        with pytest.raises(StoreUnavailableError):
            MongoJobs(Settings(uri=f"{NOBODY}?serverSelectionTimeoutMS=10")).connect_worker(Settings())

        assert [tls_of(client) for client in opened] == [{}] * len(opened)


class TestACertificate:
    def test_is_checked_unless_somebody_says_otherwise(self, opened):
        with pytest.raises(StoreUnavailableError):
            MongoJobs(Settings(uri=f"{NOBODY}?tls=true&serverSelectionTimeoutMS=10")).connect_worker(Settings())

        contexts = [client.options.pool_options._ssl_context for client in opened]
        assert contexts
        assert {context.verify_mode for context in contexts} == {ssl.CERT_REQUIRED}
        assert all(context.check_hostname for context in contexts)
