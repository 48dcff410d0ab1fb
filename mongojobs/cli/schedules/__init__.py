"""``mongojobs schedules``.

- ``command``: the group
- ``next``: when an expression is due, without a database
"""
