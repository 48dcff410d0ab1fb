"""What a job may do with itself while it runs.

- ``progress``: how far it is, as a value
- ``steps``: what is done once, however often the job runs
- ``rows``: many rows, each of which is done once
- ``sources``: where rows come from
- ``cursor``: where a job is in its rows
- ``log``: what it logs
- ``values``: what a job keeps for its next run
- ``record``: what one run has told of itself, until it is stored
- ``run``: what a job may ask about its run
- ``alone``: a run without a worker
- ``home``: where one who holds the job asks about it
"""
