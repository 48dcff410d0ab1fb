"""Where the parts are joined: an app has settings, a connection, a store and plugins."""

from mongojobs.app.mongojobs import MongoJobs, configure, default_app
from mongojobs.app.worker import Worker

__all__ = ["MongoJobs", "Worker", "configure", "default_app"]
