"""What a job may do with itself while it runs.

- ``progress``: how far it is, as a value
- ``record``: what one run has told of itself, until it is stored
- ``alone``: a run without a worker
- ``home``: where one who holds the job asks about it
"""
