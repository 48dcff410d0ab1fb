"""Which jobs to reserve, how many, and when.

- ``demand``: how many are wanted now
- ``reserve``: asks the store, and works out the size of a batch
- ``suspects``: jobs that may have killed their workers run alone
- ``wakeup``: ends an idle worker's wait when a job comes
"""
