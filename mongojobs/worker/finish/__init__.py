"""Writing results.

- ``finisher``: the writer and its queue
- ``group``: results that are written together, and the one that is at fault
- ``result``: how one run ended, and who has been told
"""
