"""Values: from Python to BSON and back, equal in type and value.

- ``codec``: both ways
- ``encode``: from Python to BSON
- ``decode``: from BSON to Python
- ``times``: dates and times that lose nothing
- ``refused``: values that cannot be stored, and what to pass instead
"""
