"""Run as a program: forks while one of its threads waits for a result; child and parent then wait for one each."""

import os
import sys
import threading
import time
import warnings

import mongoengine

from tests.support import result_jobs

if __name__ == "__main__":
    mongoengine.connect(host=sys.argv[1], uuidRepresentation="standard")
    warnings.simplefilter("ignore")  # Python and PyMongo warn of what is tried here
    never = result_jobs.adds.options(run_in="1h").delay(0, 0)
    threading.Thread(target=never.wait, daemon=True).start()
    while not any(thread.name == "mongojobs-results" for thread in threading.enumerate()):
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        print("child", result_jobs.adds.delay(1, 2).result(timeout=30), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("parent", result_jobs.adds.delay(3, 4).result(timeout=30), flush=True)
