"""The system: server, collections, indexes, settings."""

from __future__ import annotations

from mongojobs.app.dashboard import settings_shown, where_kept
from mongojobs.core.errors import StoreUnavailableError
from mongojobs.web.context import Page, RequestContext


def show(visit: RequestContext) -> Page:
    """Show it; a database user who may not list indexes sees the rest."""
    try:
        indexes = visit.app.check_indexes()
    except StoreUnavailableError as error:
        if not error.refused:
            raise
        indexes = None
    values = {
        "server": where_kept(visit.app),
        "indexes": indexes,
        "settings": settings_shown(visit.app),
        "findings": visit.findings(),
    }
    return Page("system.html", values)
