"""The threads of a worker: those that run jobs, and those that watch over the runs.

- ``log_writer``: stores what jobs log
- ``slots``: run jobs
- ``event_loop``: turns for ``async def`` jobs, and is watched
- ``heartbeat``: keeps the locks
- ``timekeeper``: keeps the time limits
- ``cancel_watch``: hears which jobs were cancelled
- ``ticker``: enqueues the jobs of schedules
- ``background``: makes and joins threads
"""
