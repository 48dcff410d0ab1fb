"""From a call in Python to a sub-document, and back: values, references to documents, and kinds of calls."""
