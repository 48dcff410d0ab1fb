"""Looking for jobs by an argument.

- ``typed``: what people type for a value
- ``matching``: a value where it stands in a document, of its own type
"""
