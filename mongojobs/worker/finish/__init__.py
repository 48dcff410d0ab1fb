"""Writing results.

- ``finisher``: the writer and its queue, and how it finds the result that is at fault
- ``result``: how one run ended, and who has been told
"""
