"""From a call in the app to a stored job.

- ``functions``: the decorator ``job``
- ``proxy``: ``delay`` for methods
- ``asynchronous``: ``handle_asynchronously``
- ``twins``: async twins of all that asks the database
- ``documents``: ``Delayable`` and ``DelayedJob``, MongoEngine's side
- ``declarations``: what a declaration may say
- ``options``: the options of an enqueue
- ``uniqueness``: the terms on which a call is unique
- ``current``: the app that enqueues
- ``enqueuer``: stores the job, or runs it at once
- ``telling``: tells plugins what became of calls
- ``ids``: the ids of jobs
- ``enqueue_hook``: the ``enqueue`` hook of a job object
- ``inline``: runs a job at once, in the caller
- ``inline_unique``: which of those hold unique keys
"""
