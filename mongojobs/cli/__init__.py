"""The command line: it parses, calls and prints, and nothing else.

``main.COMMANDS`` names the module of each command. They are light: what knows the driver is imported inside of
functions, so that ``mongojobs --help`` answers at once.

- ``main``: the group of all commands
- ``keda``: what KEDA counts for ``init keda``
- ``shared``: what the commands share
- ``work``: how a worker's process is started, watched and ended
"""
