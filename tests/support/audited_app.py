"""The app of a worker whose children are audited, from when they are ready for their first job.

At its end a child adds one line to the file AUDIT_REPORT: what it should not have done.
"""

import atexit
import json
import os
import socket
import sys

import mongoengine

from mongojobs.worker.children.child_main import ChildMain
from tests.support import audited_worker

REPORT = os.open(os.environ["AUDIT_REPORT"], os.O_WRONLY | os.O_APPEND)


serve = ChildMain.serve
watch = audited_worker.Watch()


def serve_under_watch(inside: ChildMain) -> None:
    """Stand in for the method of a child."""
    atexit.register(report)
    sys.addaudithook(watch)
    serve(inside)


def report() -> None:
    """Tell what was seen."""
    told = {"seen": watch.seen, "imported": audited_worker.imported()}
    os.write(REPORT, f"{json.dumps(told)}\n".encode())


mongoengine.connect(host=audited_worker.URI, uuidRepresentation="standard")
if "child" in sys.argv:
    socket.getaddrinfo("localhost", 0)
    audited_worker.warm_up()
    ChildMain.serve = serve_under_watch  # type: ignore[method-assign, assignment]  # the plot
