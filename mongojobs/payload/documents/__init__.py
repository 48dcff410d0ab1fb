"""Documents and other objects that payloads refer to.

- ``references``: those of MongoEngine, stored as references, loaded fresh
- ``registered``: objects of any class, as ``register_reference`` allows
- ``locations``: where a document lives
"""
