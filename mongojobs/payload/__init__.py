"""From a call in Python to a sub-document, and back.

- ``registry``: the jobs and classes that are declared
- ``hints``: the classes that type hints name
- ``records``: the fields of dataclasses, attrs classes and Pydantic models
- ``precedence``: which value applies where several places give one
- ``calls``: what can be a job, and how it is run
- ``values``: Python values to BSON and back
- ``documents``: MongoEngine documents as references
- ``arguments``: the stored arguments by their names, and which are secret
- ``masking``: takes secrets out of texts
- ``renderings``: the forms in which a secret may appear in a text
- ``show``: a stored call for people
- ``results``: what a job returned, as it is kept
- ``search``: finds stored calls by an argument
"""
