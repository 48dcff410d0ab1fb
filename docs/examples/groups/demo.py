"""The story of ``scripts/demo``: a slow method of a document moves from the web request to a worker.

With ``--web`` it ends with the dashboard open on these jobs, until Ctrl-C.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from pathlib import Path

from mongojobs import DelayedJob

from groups import Group, User, send_to_nowhere, send_welcome

USERS = 3000
LONGEST_WAIT_SECONDS = 120
HERE = Path(__file__).parent
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


def main() -> int:
    """Tell the story; return 0 if it ended well."""
    parser = ArgumentParser(prog="scripts/demo", description="Show the whole story on a real MongoDB.")
    parser.add_argument("--web", action="store_true", help="end with the dashboard open on its jobs, until Ctrl-C")
    arguments = parser.parse_args()
    if arguments.web:
        os.environ.setdefault("MONGOJOBS_KEEP_COMPLETED", "1h")  # else there would be little to look at
    say("A MongoEngine app: a Group and its users")
    group = fill_database()
    say("Once, at each deploy: the indexes")
    run("mongojobs create-indexes")
    say("In a web request: calls are stored, not run")
    enqueue(group)
    say("What waits now")
    run("mongojobs status")
    say("A worker, as a process of its own; this is its log")
    status = work()
    say("What has become of it")
    run("mongojobs status")
    run("mongojobs jobs list --state failed")
    result = verdict(group, status)
    if arguments.web:
        show_dashboard()
    return result


def fill_database() -> Group:
    """Store a group at level 7 and its users, who are still at level 0."""
    group = Group(name="Early birds", level=7).save()
    User.objects.insert([User(name=f"user {number}", group=group) for number in range(USERS)])
    print(f"{User.objects(group=group).count()} users are in the group {group.name!r} of level {group.level}")
    print(f"{up_to_date(group)} of them have its level")
    return group


def enqueue(group: Group) -> None:
    """Delay the slow method, a job that fails twice, and one that fails for good."""
    show(">>> group.delay.update_users()")
    started = time.perf_counter()
    print(group.delay.update_users())
    print(f"stored in {(time.perf_counter() - started) * 1000:.0f} ms; still {up_to_date(group)} users have the level")
    show('>>> send_welcome.delay("Ada")         # will fail twice, then succeed')
    print(send_welcome.delay("Ada"))
    show('>>> send_to_nowhere.delay("nowhere")  # will fail for good')
    print(send_to_nowhere.delay("nowhere"))


def work() -> int:
    """Start ``mongojobs work``, show its log until the jobs have ended, stop it, and return its exit status."""
    show("$ mongojobs work")
    command = [sys.executable, "-m", "mongojobs", "work"]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        log = threading.Thread(target=copy_lines, args=(worker,))
        log.start()
        wait_for_jobs(worker)
        print(f"\n    (all jobs have ended: SIGTERM, as at a deploy, to process {worker.pid})\n")
        worker.send_signal(signal.SIGTERM)
        log.join()
        return worker.wait()


def copy_lines(worker: "subprocess.Popen[str]") -> None:
    """Print the worker's lines as they come."""
    for line in worker.stdout or ():
        print("    " + line, end="", flush=True)


def wait_for_jobs(worker: "subprocess.Popen[str]") -> None:
    """Wait until no job is ready or running."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while DelayedJob.objects(state__in=["ready", "running"]).count():
        if worker.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the worker ended, or did not end its jobs in time")
        time.sleep(0.1)


def verdict(group: Group, status: int) -> int:
    """Prove that the work was done, and say what to try next."""
    say("The proof")
    done = up_to_date(group)
    failed = DelayedJob.objects(state="failed")
    print(f"{done} of {USERS} users have the level of the group now")
    print(f"{failed.count()} job has failed: {failed.first().last_error.splitlines()[0]}")
    print(f"the worker's exit status was {status}")
    well = done == USERS and failed.count() == 1 and status == 0
    say("All is well. What to try next" if well else "Something went wrong, see above")
    print("scripts/demo --web                      the same, with the dashboard at its end")
    print("scripts/mongod start                    a MongoDB of your own to play with")
    print("docs/examples/groups/groups.py          the app you have just seen")
    print("mongojobs --help                        every command (in .venv/bin)")
    print("README.md                               how to use it in your app, and on Heroku")
    return 0 if well else 1


def show_dashboard() -> None:
    """Serve the dashboard, with a worker for what is retried there, until Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    say("The dashboard of these jobs, and another worker: Ctrl-C ends both")
    send_welcome.options(run_in=600).delay("Grace")
    show("$ mongojobs web")
    command = [sys.executable, "-m", "mongojobs"]
    children = [
        subprocess.Popen([*command, "web", "--port", "0"], cwd=HERE),
        subprocess.Popen([*command, "work"], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
    ]
    try:
        children[0].wait()
    except KeyboardInterrupt:
        print("\nStopped.")
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def up_to_date(group: Group) -> int:
    """Return how many users have the level of *group*."""
    count: int = User.objects(group=group, level=group.level).count()
    return count


def run(command: str) -> None:
    """Show *command* and run it here."""
    show(f"$ {command}")
    arguments = [sys.executable, "-m", *shlex.split(command)]
    subprocess.run(arguments, cwd=HERE, check=True)


def show(line: str) -> None:
    """Print what a person would type."""
    print(f"{BOLD}{line}{PLAIN}", flush=True)


def say(line: str) -> None:
    """Begin a chapter."""
    print(f"\n{BOLD}== {line}{PLAIN}", flush=True)


if __name__ == "__main__":
    os.chdir(HERE)
    sys.exit(main())
