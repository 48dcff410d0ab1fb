"""What people ask about jobs.

- ``job_reader``: all that can be asked
- ``pages``: lists of jobs
- ``counts``: how many jobs there are
- ``queues``: how many each queue holds, and how long they have waited
- ``failures``: failed jobs in groups
- ``waiting``: jobs that wait, by name
- ``survey``: the jobs as a whole
- ``server``: the server, and the sizes of collections
- ``explain``: how a reserve is carried out
- ``edge``: where a search for rare jobs gives up
"""
