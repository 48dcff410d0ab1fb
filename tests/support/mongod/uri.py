"""Addresses of servers and of databases on them."""

from urllib.parse import urlsplit, urlunsplit


def with_database(uri: str, database: str) -> str:
    """Return *uri* with its database replaced; credentials are still checked where they were before."""
    parts = urlsplit(uri)
    options = parts.query
    if "@" in parts.netloc and "authsource=" not in options.lower():
        options += f"{'&' if options else ''}authSource={parts.path.strip('/') or 'admin'}"
    return urlunsplit(parts._replace(path=f"/{database}", query=options))


def database_of(uri: str) -> str:
    """Return the database that *uri* names."""
    return urlsplit(uri).path.strip("/")
