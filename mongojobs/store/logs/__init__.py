"""What jobs have logged.

- ``log_store``: the collection
- ``reading``: what its chunks say
"""
