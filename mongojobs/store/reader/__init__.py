"""What people ask about jobs.

- ``job_reader``: lists and counts
- ``selecting``: from a filter to queries
- ``failures``: failed jobs in groups
- ``waiting``: jobs that wait, by name
- ``survey``: the jobs as a whole
- ``server``: the server, and the sizes of collections
- ``explain``: how a reserve is carried out
"""
