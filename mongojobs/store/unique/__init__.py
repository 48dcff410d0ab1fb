"""What the store does for unique jobs, and for them alone.

- ``answers``: what becomes of a further call, as pure functions of the two jobs
- ``again``: the call that a running job remembers, and how its end honours it
- ``insert``: stores a job that holds a key, or brings its call to the one that does
- ``merges``: how many calls were merged into jobs, told when they end
- ``retake``: a retry, for which the key must be free
"""
