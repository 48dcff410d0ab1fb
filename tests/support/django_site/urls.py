"""Its addresses."""

from django.contrib import admin
from django.urls import path, re_path

from mongojobs.web.django import dashboard

urlpatterns = [path("admin/", admin.site.urls), re_path(r"^jobs/(?P<path>.*)$", dashboard())]
