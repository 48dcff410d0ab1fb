"""Where the parts are joined: an app has settings, a connection, a store and plugins.

- ``mongojobs``: the class ``MongoJobs``, and the default app
- ``connections``: finds the MongoDB that holds the jobs, and connects to it
- ``operations``: what people and their tools do with jobs, queues and workers
- ``twins``: the same for code on an event loop
- ``cancelling``: cancels jobs, running ones too
- ``logs``: reads what jobs have logged
- ``scheduling``: what people and their tools do with schedules
- ``schedule_texts``: the options of a schedule, as they are shown and typed in a form
- ``worker``: the worker of an app
- ``declarations``: which jobs the imported code declares
- ``pyproject``: the settings in ``pyproject.toml``
- ``why``: why a job has not run
- ``run_again``: enqueues the call of a job once more
- ``dashboard``: what only the dashboard asks
- ``doctor``: what is wrong, and what to do about it
"""

from mongojobs.app.mongojobs import MongoJobs, configure, default_app
from mongojobs.app.worker import Worker

__all__ = ["MongoJobs", "Worker", "configure", "default_app"]
