"""Tasks, which note what they were called with."""

from tests.tasks_kit.framework import task

ran: list[object] = []


class OddError(Exception):
    """An exception of the app's own."""


@task
def note(*args, **kwargs):
    ran.append((list(args), kwargs))


@task
def echo(value):
    return value


@task
async def echo_later(value):
    return value


@task
def other():
    pass


@task
def fail(message):
    raise ValueError(message)


@task
def fail_oddly():
    raise OddError("odd")


@task
def return_object():
    return object()


@task(takes_context=True)
def describe(context, suffix=""):
    seen = describe.get_result(context.task_result.id)
    return [context.task_result.id, context.attempt, str(seen.status), len(seen.worker_ids), suffix]


def plain(value):
    return value


class Callable:
    def __call__(self):
        pass
