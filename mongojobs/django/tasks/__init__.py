"""A backend for ``django.tasks``: each task is a job, which workers run like any other.

- ``framework``: Django's own tasks, or those of the package ``django-tasks`` before Django 6
- ``backend``: what ``TASKS`` names
- ``options``: what ``OPTIONS`` and a task may say
- ``declaring``: from a task to a job that is declared
- ``known``: the tasks that are declared
- ``runs``: one run of a task, and its signals
- ``results``: from a stored job to the result that Django knows
"""
