"""The permission to operate jobs, which Django keeps with a model; no table belongs to it."""

from __future__ import annotations

from django.db import models


class Dashboard(models.Model):
    """Stands for the dashboard: what users may do there, and its entry among the models of the admin."""

    name = models.CharField(primary_key=True, max_length=1)

    class Meta:
        """``mongojobs.operate`` is the permission to retry, cancel and delete jobs, and to change schedules."""

        managed = False
        default_permissions = ()
        permissions = (("operate", "Can operate background jobs"),)
        verbose_name = "dashboard"
        verbose_name_plural = "dashboard"
