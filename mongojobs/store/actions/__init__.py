"""What people do with jobs.

- ``job_actions``: with one, or with all that match
- ``sweep``: walks through many jobs, a few thousand at a time
"""
