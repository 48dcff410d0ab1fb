"""The life of a job.

- ``insert``: enqueues
- ``reserve``: locks jobs for a worker
- ``joining``: the changes of many jobs, each its own, in few writes
- ``end``: keeps a run alive, and ends it
- ``transaction``: ends a job together with what it has written
- ``rescue``: takes back the jobs of dead workers
"""
