"""The command line: it parses, calls and prints, and nothing else.

The modules of the commands are light: what knows the driver is imported inside of functions, so that
``mongojobs --help`` answers at once.
"""
