"""The life of a job.

- ``insert``: enqueues
- ``reserve``: locks jobs for a worker
- ``end``: keeps a run alive, and ends it
- ``rescue``: takes back the jobs of dead workers
"""
