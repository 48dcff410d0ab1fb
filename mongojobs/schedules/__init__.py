"""Recurring jobs: when they are due, what is stored of them, and how workers enqueue them.

- ``times``: the nominal times of a schedule, worked out without a database
"""
