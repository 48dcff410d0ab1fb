"""Answers that are kept for some seconds."""

import threading

import pytest

from mongojobs.web.cache import MOST_KEPT, Memory
from tests.support.waiting import eventually


class TestMemory:
    def test_asks_once_while_an_answer_is_young(self):
        memory, asked = Memory(), []

        answers = [memory.recall("key", 60, lambda: asked.append(1) or "answer") for _ in range(3)]

        assert answers == ["answer"] * 3
        assert asked == [1]

    def test_asks_again_when_it_is_old(self):
        memory, asked = Memory(), []

        answers = [memory.recall("key", -1, lambda: asked.append(1) or len(asked)) for _ in range(2)]

        assert answers == [1, 2]

    def test_keeps_keys_apart(self):
        memory = Memory()

        assert [memory.recall(key, 60, lambda key=key: key) for key in ("a", "b", "a")] == ["a", "b", "a"]

    def test_lets_those_who_ask_meanwhile_wait_for_the_same_answer(self):
        memory, asked, go_on = Memory(), [], threading.Event()

        def make():
            asked.append(1)
            go_on.wait(30)
            return "answer"

        answers = []
        threads = [threading.Thread(target=lambda: answers.append(memory.recall("key", 60, make))) for _ in range(4)]
        [thread.start() for thread in threads]
        eventually(lambda: asked)
        go_on.set()
        [thread.join() for thread in threads]

        assert (answers, asked) == (["answer"] * 4, [1])

    def test_keeps_no_more_than_the_last_answers(self):
        memory, asked = Memory(), []

        for key in (*range(MOST_KEPT), 0, MOST_KEPT, 0, 1):
            memory.recall(key, 60, lambda key=key: asked.append(key))

        assert asked == [*range(MOST_KEPT), MOST_KEPT, 1]

    def test_forgets_what_failed(self):
        memory = Memory()
        fails = iter([ValueError("no"), None])

        def make():
            if (error := next(fails)) is not None:
                raise error
            return "answer"

        with pytest.raises(ValueError, match="no"):
            memory.recall("key", 60, make)

        assert memory.recall("key", 60, make) == "answer"
