"""The doctor: what is wrong with the jobs, the workers, the settings and the server, and what to do about it.

- ``examine``: makes the checks, one after the other
- ``local_checks``: settings, environment, versions
- ``database_checks``: jobs, workers, server
- ``findings``: what a check finds
"""
