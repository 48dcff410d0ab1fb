"""The dashboard in the index of Django's admin, where the project has both."""

from __future__ import annotations

import sys
from typing import Any

from django.contrib import admin
from django.http import HttpResponseRedirect

from mongojobs.django.models import Dashboard


@admin.register(Dashboard)
class DashboardAdmin(admin.ModelAdmin):
    """Leads to the dashboard, and is there for those who may look at it."""

    def has_view_permission(self, request: Any, obj: object = None) -> bool:  # noqa: ARG002 - as Django calls it
        """Whether *request* is of one of the staff, and the dashboard has an address."""
        return bool(request.user.is_active and request.user.is_staff) and _address() is not None

    def has_module_permission(self, request: Any) -> bool:
        """Whether there is anything to see."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: Any) -> bool:  # noqa: ARG002
        """Nothing can be added."""
        return False

    def has_change_permission(self, request: Any, obj: object = None) -> bool:  # noqa: ARG002
        """Nothing can be changed here: the dashboard asks for itself."""
        return False

    def has_delete_permission(self, request: Any, obj: object = None) -> bool:  # noqa: ARG002
        """Nothing can be deleted."""
        return False

    def changelist_view(self, request: Any, extra_context: object = None) -> Any:  # noqa: ARG002
        """Go to the dashboard."""
        return HttpResponseRedirect(_address() or "..")


def _address() -> str | None:
    """Return where the project has mounted the dashboard, if it has."""
    mounted = sys.modules.get("mongojobs.web.django")
    address: str | None = None if mounted is None else mounted.address()
    return address
