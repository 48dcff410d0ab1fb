"""Values in words.

- ``durations``: ``90s``, ``15m``, ``7d``
- ``sizes``: ``64k``, ``400M``
- ``wording``: times, numbers and printable texts for people
- ``ticks``: the ids of jobs that schedules enqueue
- ``naming``: the public names of classes and functions
"""
