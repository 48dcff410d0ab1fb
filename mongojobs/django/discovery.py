"""Importing the jobs of a project: those in ``jobs.py`` of every installed app."""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules


def discover() -> None:
    """Import the module ``jobs`` of each app that has one; what it raises is raised."""
    autodiscover_modules("jobs")
