"""A module for each command.

- ``mongojobs``: the whole command line
"""
