"""Calls: what can be a job, how it is stored, and how it is run.

- ``kinds``: a call of a function, a method, a class method, an object
- ``handler``: from a call to the stored ``handler`` and back
- ``sizes``: how large a stored call may be
- ``methods``: which methods can be jobs, and how a call fits a signature
- ``invoke``: runs a call with its hooks
"""
