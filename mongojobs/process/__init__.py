"""What belongs to the process rather than to a worker in it.

- ``signals``: handed to the worker, or held back
- ``supervisor``: keeps several worker processes alive
- ``reloader``: runs a command anew when files change
- ``identity``: which process it is, beyond its number
- ``copies``: processes that a job forks off
- ``memory``: how much it uses, and when it should be replaced
- ``interpreter``: how Python serves it
- ``cpu_load``: how busy it is
- ``green_threads``: gevent and eventlet, which a worker cannot run under
"""
