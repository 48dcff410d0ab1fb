"""MongoEngine documents in payloads: stored as references, and where they live."""
