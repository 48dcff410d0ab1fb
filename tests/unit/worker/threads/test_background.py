"""The threads that watch over jobs: each sees the context of the worker's life, in a copy of its own."""

from contextvars import ContextVar

from mongojobs.worker.threads.background import background_thread

mark = ContextVar("mark", default="nothing")


def test_a_thread_runs_in_the_context_of_its_maker():
    seen = []
    token = mark.set("worker")
    threads = [background_thread(lambda: seen.append(mark.get()), f"test-{number}") for number in range(2)]
    mark.reset(token)

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert seen == ["worker", "worker"]


def test_what_a_thread_sets_stays_in_it():
    thread = background_thread(lambda: mark.set("thread"), "test")
    thread.start()
    thread.join(30)

    assert mark.get() == "nothing"
