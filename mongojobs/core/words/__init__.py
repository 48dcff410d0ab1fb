"""Values in words.

- ``durations``: ``90s``, ``15m``, ``7d``
- ``wording``: times, numbers and printable texts for people
- ``naming``: the public names of classes and functions
"""
