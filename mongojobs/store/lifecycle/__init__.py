"""The life of a job.

- ``insert``: enqueues
- ``reserve``: locks jobs for a worker
- ``end``: keeps a run alive, and ends it
- ``transaction``: ends a job together with what it has written
- ``rescue``: takes back the jobs of dead workers
"""
