"""``mongojobs schedules``.

- ``command``: the group
- ``listing``: the commands that show schedules
- ``changing``: the commands that change them
- ``next``: when an expression is due, without a database
"""
