"""Jobs in child processes, so that what a job does to its process harms no other job.

- ``runner``: has each job run in the child of its slot
- ``process``: a child, seen from its worker
- ``child_main``: the inside of a child
- ``lines``: passes on what a job in a child logs
- ``telling``: passes on what a job tells of itself
- ``messages``: what the two send each other
- ``channel``: the socket between them
"""
