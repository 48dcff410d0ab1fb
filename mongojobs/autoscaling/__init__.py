"""Telling the services that scale an app's workers how long jobs wait.

- ``hirefire``: HireFire, which asks
- ``judoscale``: Judoscale, which is told
- ``queues``: of which queues
"""
