"""``mongojobs work``: from its flags to its exit status.

- ``command``: ``work`` and ``workoff``
- ``options``: their flags, and the values of these
- ``worker``: one worker in this process
- ``supervised``: several processes under a supervisor
- ``reloading``: a worker that starts anew when files change
- ``own_command``: the commands of the children, made from our own
- ``launch``: starts a daemon, and waits until it is up
- ``pidfile``: the file that a daemon holds while it runs
- ``readiness``: tells whoever started it that the worker is up
- ``probes``: what a worker answers on its probe port
- ``worker_log``: where a worker logs
- ``exit``: how the process ends
- ``run_here``: one job in the foreground, perhaps with a debugger
"""
