"""Orders in the admin, whose index leads to the dashboard too."""

from django.contrib import admin

from shop.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """A list of orders."""

    list_display = ("customer", "tea", "packets", "state", "placed_at")
