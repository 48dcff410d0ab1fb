"""What ``@job``, ``register``, ``handle_asynchronously`` and ``Delayable`` refuse when a program is loaded."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from mongoengine import Document, IntField

from mongojobs import Delayable, NotAJobError, OptionError, RegistrationError, handle_asynchronously, job, register
from mongojobs.enqueuing.functions import JobFunction
from mongojobs.payload.registry import registry
from tests.support import sample_jobs


class TestJob:
    def test_keeps_name_docstring_and_signature(self):
        assert sample_jobs.goes_on_for.__name__ == "goes_on_for"
        assert sample_jobs.goes_on_for.__doc__.startswith("Work in short steps")
        assert repr(sample_jobs.goes_on_for) == "<job tests.support.sample_jobs.goes_on_for>"

    def test_leaves_a_class_what_it_is(self):
        assert isinstance(sample_jobs.Newsletter, type)
        assert registry.of(sample_jobs.Newsletter).kind == "object"

    def test_registers_a_function_under_its_dotted_path(self):
        declaration = registry.find("tests.support.sample_jobs.remember_one")

        assert (declaration.kind, declaration.queue, declaration.aliases) == ("function", None, ())

    def test_keeps_what_is_declared(self):
        declaration = job(
            name="test_declaring.kept",
            queue="mail",
            priority=3,
            max_attempts=2,
            max_run_time="15m",
            retry_on=OSError,
            discard_on=(KeyError, ValueError),
            on_missing="retry",
            backoff=60,
            destroy_failed_jobs=True,
        )(lambda: None).declaration

        assert (declaration.queue, declaration.priority, declaration.max_attempts) == ("mail", 3, 2)
        assert declaration.max_run_time == timedelta(minutes=15)
        assert (declaration.retry_on, declaration.discard_on) == ((OSError,), (KeyError, ValueError))
        assert (declaration.on_missing, declaration.backoff, declaration.destroy_failed_jobs) == ("retry", 60, True)

    def test_refuses_a_function_that_no_worker_could_find(self):
        with pytest.raises(RegistrationError, match=r"define it at the top level of a module, or give name="):
            job(lambda: None)

    def test_takes_a_nameless_function_with_a_name(self):
        function = job(name="test_declaring.nameless")(lambda value: value + 1)

        assert isinstance(function, JobFunction)
        assert function(1) == 2

    def test_refuses_a_name_that_another_job_has(self):
        with pytest.raises(RegistrationError, match="is taken by"):
            job(name="tests.support.sample_jobs.remember_one")(lambda: None)

    def test_refuses_a_class_without_perform(self):
        with pytest.raises(NotAJobError, match=r"Silent cannot be a job: it has no method perform\(\)"):

            @job
            class Silent:
                pass

    @pytest.mark.parametrize("thing", [5, "text", None, [], staticmethod(len), classmethod(len), partial(len)])
    def test_refuses_what_is_neither_function_nor_class(self, thing):
        with pytest.raises(RegistrationError, match="@job is for functions and classes, got"):
            job()(thing)

    def test_refuses_a_method_and_says_how_to_delay_it(self):
        with pytest.raises((RegistrationError, RuntimeError)) as caught:

            class Group:
                @job(name="test_declaring.method")
                def update_users(self):
                    pass

        told = caught.value.__cause__ or caught.value
        assert "Group.update_users is a method: use group.delay.update_users(...), or @handle" in str(told)

    @pytest.mark.parametrize(
        ("declared", "message"),
        [
            ({"quue": "mail"}, "unknown declaration 'quue': @job takes name, aliases, queue"),
            ({"run_at": 1}, "unknown declaration 'run_at'"),
            ({"queue": "a,b"}, "queue must not begin with"),
            ({"priority": "3"}, "priority must be a whole number"),
            ({"max_attempts": 0}, "max_attempts must be a whole number, 1 or more"),
            ({"max_run_time": 0}, "max_run_time must be more than 0"),
            ({"on_missing": "ignore"}, "on_missing must be fail, discard or retry, got 'ignore'"),
            ({"retry_on": "OSError"}, "retry_on must be an exception class or a tuple of them, got 'OSError'"),
            ({"retry_on": (OSError, int)}, "retry_on must be an exception class or a tuple of them, got <class 'int'>"),
            ({"discard_on": OSError()}, "discard_on must be an exception class"),
        ],
    )
    def test_refuses_a_bad_declaration(self, declared, message):
        with pytest.raises(OptionError, match=message):
            job(name="test_declaring.bad", **declared)(lambda: None)


class TestHandleAsynchronously:
    @pytest.mark.parametrize("option", ["name", "aliases"])
    def test_takes_no_name(self, option):
        with pytest.raises(RegistrationError, match=f"takes no {option}: .* is found by its class and its own name"):
            handle_asynchronously(**{option: "x"})(lambda self: None)

    @pytest.mark.parametrize("value", [3, lambda: 3])
    def test_refuses_an_unknown_option(self, value):
        with pytest.raises(OptionError, match=r"unknown option 'prioritty', did you mean priority\?"):
            handle_asynchronously(prioritty=value)(lambda self: None)

    def test_refuses_a_bad_value_when_the_class_is_made(self):
        with pytest.raises(OptionError, match="priority must be a whole number"):
            handle_asynchronously(priority="high")(lambda self: None)

    @pytest.mark.parametrize("thing", [5, "name_of_a_method", len, object()])
    def test_is_for_methods(self, thing):
        with pytest.raises(RegistrationError, match="handle_asynchronously is for methods, got"):
            handle_asynchronously(thing)


class TestRegister:
    def test_works_as_a_decorator(self):
        assert register(sample_jobs.NotAJob) is sample_jobs.NotAJob
        assert registry.class_name(sample_jobs.NotAJob) == "tests.support.sample_jobs.NotAJob"

    def test_refuses_a_class_that_no_worker_could_find(self):
        @dataclass
        class Local:
            x: int

        with pytest.raises(RegistrationError, match="at the top level of a module"):
            register(Local)


class TestHandleAsynchronouslyBelowAnotherDecorator:
    @pytest.mark.parametrize("wrapper", [classmethod, staticmethod])
    def test_is_refused_when_the_class_is_made(self, wrapper):
        with pytest.raises(
            RegistrationError, match=rf"@{wrapper.__name__} hides .* write @handle_asynchronously first"
        ):

            class Band(Delayable):
                reunite = wrapper(handle_asynchronously(lambda *args: None))

    @pytest.mark.parametrize("wrapper", [classmethod, staticmethod])
    def test_is_refused_at_the_first_call_where_the_class_is_not_delayable(self, wrapper):
        class Band:
            reunite = wrapper(handle_asynchronously(lambda *args: None))

        with pytest.raises(RegistrationError, match="write @handle_asynchronously first, above it"):
            Band.reunite(1)


class TestDelayable:
    def test_refuses_a_field_called_delay(self):
        with pytest.raises(RegistrationError, match=r"Late has a field .* write mongojobs\.delay\(document\)\.method"):

            class Late(Delayable, Document):
                delay = IntField()

    def test_refuses_a_method_called_delay(self):
        with pytest.raises(RegistrationError, match="Later has a field or attribute of its own called delay"):

            class Later(Delayable):
                def delay(self):
                    pass

    def test_refuses_a_mixin_behind_a_class_with_a_field_called_delay(self):
        class WithField(Document):
            meta = {"abstract": True}

            delay = IntField()

        with pytest.raises(RegistrationError, match=r"Hidden has a field or attribute"):

            class Hidden(WithField, Delayable):
                meta = {"abstract": True}

    def test_leaves_a_field_of_another_name_alone(self):
        class Early(Delayable, Document):
            meta = {"abstract": True}

            delays = IntField()

        assert repr(Early.delay) == f"<delay {Early!r}>"
