"""The addresses."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path, re_path
from mongojobs.web.django import dashboard

from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("orders/<int:order_id>", views.show, name="order"),
    path("report", views.report, name="report"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("admin/", admin.site.urls),
    re_path(r"^jobs/(?P<path>.*)$", dashboard()),
]
