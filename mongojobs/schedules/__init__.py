"""Recurring jobs: when they are due, what is stored of them, and how workers enqueue them.

- ``times``: the nominal times of a schedule, worked out without a database
- ``definition``: what is said of a schedule
- ``declared``: the schedules that code declares
- ``schedule``: a schedule as it is in the database
- ``planning``: what becomes of the ticks that are due
- ``store``: the collection of schedules
- ``declaring``: stores what code declares
- ``ticks``: enqueues the ticks that are due
- ``report``: what people are shown of a schedule
- ``handle``: what people do with a schedule
"""
