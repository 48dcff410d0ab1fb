"""MongoEngine documents in payloads.

- ``references``: stored as references, loaded fresh
- ``locations``: where a document lives
"""
