"""``mongojobs jobs``.

- ``command``: the group, and the commands that show jobs or run one
- ``actions``: the commands that change jobs, made from the table of verbs
- ``declared``: the jobs that the app declares
- ``log``: what a job has logged
- ``result``: what a job returned
- ``printing``: how jobs are shown
"""
