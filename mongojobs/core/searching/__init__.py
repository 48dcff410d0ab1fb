"""Finding jobs by an argument.

- ``typed``: what people type as a value
- ``matching``: a value at its place in a document, by its type
"""
