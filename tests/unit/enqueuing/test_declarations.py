"""What ``@job``, ``register``, ``handle_asynchronously`` and ``Delayable`` refuse when a program is loaded."""

import copy
import pickle
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MethodType

import pytest
from mongoengine import Document, IntField

from mongojobs import Delayable, NotAJobError, OptionError, RegistrationError, handle_asynchronously, job, register
from mongojobs.enqueuing.functions import JobFunction
from mongojobs.payload.registry import registry
from tests.support import sample_jobs


def no_method():
    """Is not in a class."""


def generator(*_args):
    yield


async def async_generator(*_args):
    yield


class CallableGenerator:
    def __call__(self, *_args):
        yield


class TestJob:
    def test_keeps_name_docstring_and_signature(self):
        assert sample_jobs.goes_on_for.__name__ == "goes_on_for"
        assert sample_jobs.goes_on_for.__doc__.startswith("Work in short steps")
        assert repr(sample_jobs.goes_on_for) == "<job tests.support.sample_jobs.goes_on_for>"

    @pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
    def test_travels_by_its_name(self, through):
        assert through(sample_jobs.goes_on_for) is sample_jobs.goes_on_for

    def test_shows_the_options_that_it_carries(self):
        delayer = sample_jobs.goes_on_for.options(queue="mail", priority=3)

        assert repr(delayer) == "<job tests.support.sample_jobs.goes_on_for, queue='mail', priority=3>"

    def test_keeps_its_own_attributes_from_those_of_the_function(self):
        def function():
            return "run"

        function._function = function._declaration = function._options = None
        declared = job(name="test_declarations.attributes")(function)

        assert declared() == "run"
        assert declared.declaration.name == "test_declarations.attributes"

    def test_leaves_a_class_what_it_is(self):
        assert isinstance(sample_jobs.Newsletter, type)
        assert registry.of(sample_jobs.Newsletter).kind == "object"

    def test_registers_a_function_under_its_dotted_path(self):
        declaration = registry.find("tests.support.sample_jobs.remember_one")

        assert (declaration.kind, declaration.queue, declaration.aliases) == ("function", None, ())

    def test_keeps_what_is_declared(self):
        declaration = job(
            name="test_declarations.kept",
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

    def test_takes_texts_and_lists_where_they_say_the_same(self):
        declaration = job(
            name="test_declarations.texts",
            aliases="test_declarations.old",
            backoff="5m",
            retry_on=[OSError],
            discard_on=None,
            queue=None,
        )(lambda: None).declaration

        assert registry.find("test_declarations.old") is declaration
        assert (declaration.backoff, declaration.retry_on, declaration.discard_on) == ("5m", (OSError,), ())

    def test_refuses_a_function_that_no_worker_could_find(self):
        with pytest.raises(RegistrationError, match=r"define it at the top level of a module, or give name="):
            job(lambda: None)

    def test_takes_a_nameless_function_with_a_name(self):
        function = job(name="test_declarations.nameless")(lambda value: value + 1)

        assert isinstance(function, JobFunction)
        assert function(1) == 2

    def test_refuses_a_name_that_another_job_has(self):
        with pytest.raises(RegistrationError, match="is taken by"):
            job(name="tests.support.sample_jobs.remember_one")(lambda: None)

    def test_refuses_a_class_without_perform(self):
        with pytest.raises(NotAJobError, match=r"Silent cannot be a job: it has no perform\(\) method"):

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
                @job(name="test_declarations.method")
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
            ({"max_attempts": 0}, "max_attempts must be a whole number of 1 or more"),
            ({"max_run_time": 0}, "max_run_time must be more than 0"),
            ({"on_missing": "ignore"}, "on_missing must be fail, discard or retry, got 'ignore'"),
            ({"retry_on": "OSError"}, "retry_on must be an exception class or a tuple of them, got 'OSError'"),
            ({"retry_on": (OSError, int)}, "retry_on must be an exception class or a tuple of them, got <class 'int'>"),
            ({"discard_on": OSError()}, "discard_on must be an exception class"),
            ({"discard_on": "OSError"}, "discard_on must be an exception class"),
            ({"backoff": "exponential"}, r"backoff must be a duration .* lambda failures: 2\*\*failures, got 'expon"),
            ({"backoff": [10, 60]}, r"backoff must be a duration .*, got \[10, 60\]; leave it out for failures\*\*4"),
            ({"backoff": -1}, "backoff must be a duration of 0 or more"),
            ({"backoff": True}, "backoff must be a duration"),
            ({"backoff": timedelta}, "backoff must be a duration"),
            ({"backoff": lambda: 60}, "backoff must be a function of one argument, the number of failures"),
            ({"backoff": lambda job, failures: 60}, "backoff must be a function of one argument"),
            ({"backoff": async_generator}, "backoff must be a plain function, since nothing awaits it"),
            ({"destroy_failed_jobs": "no"}, "destroy_failed_jobs must be True or False, got 'no'"),
            ({"aliases": 5}, "aliases must be a tuple of names of jobs, got 5"),
            ({"aliases": ("old", 5)}, "aliases must be a tuple of names"),
            ({"sensitive": {"value": 1}}, "sensitive must be a tuple of names"),
            ({"on_missing": ["fail"]}, "on_missing must be fail, discard or retry"),
            ({"max_run_time": "soon"}, "max_run_time must be a duration such as"),
            ({"tags": ["a"]}, r"unknown declaration 'tags': it is given at each enqueue, with \.options\(tags="),
            ({"retry_onn": OSError}, r"unknown declaration 'retry_onn': .*; did you mean retry_on\?"),
        ],
    )
    def test_refuses_a_bad_declaration(self, declared, message):
        with pytest.raises(OptionError, match=message):
            job(name="test_declarations.bad", **declared)(lambda: None)


GENERATORS = [generator, async_generator, classmethod(generator), staticmethod(async_generator)]


class TestAGenerator:
    @pytest.mark.parametrize("function", [generator, async_generator, MethodType(generator, 1)])
    def test_is_refused_as_a_function(self, function):
        with pytest.raises(NotAJobError, match=r"generator cannot be a job: .* runs none of its lines: return instead"):
            job(name="test_declarations.generator")(function)

    @pytest.mark.parametrize("perform", [*GENERATORS, CallableGenerator(), partial(generator)])
    def test_is_refused_as_the_perform_of_a_class(self, perform):
        with pytest.raises(NotAJobError, match=r"\.Yielding\.perform cannot be a job: it is an? .*generator"):
            job(type("Yielding", (), {"perform": perform, "__qualname__": "tests.Yielding"}))

    @pytest.mark.parametrize("method", GENERATORS)
    def test_is_refused_as_an_asynchronous_method(self, method):
        with pytest.raises(NotAJobError, match="generator cannot be a job"):
            handle_asynchronously(method)

    @pytest.mark.parametrize("hook", ["enqueue", "before", "success", "error", "after", "failure"])
    def test_is_refused_as_a_hook(self, hook):
        with pytest.raises(NotAJobError, match=rf"Hooked\.{hook} cannot be a hook: it is a generator"):
            job(type("Hooked", (), {"perform": print, hook: generator, "__qualname__": "Hooked"}))


class TestAMethodOfAJobClass:
    @pytest.mark.parametrize(
        ("name", "method", "shown"),
        [
            ("perform", lambda self, order: None, r"perform\(\)"),
            ("perform", staticmethod(lambda order: None), r"perform\(\)"),
            ("before", lambda self, job, more: None, r"before\(job\)"),
            ("error", lambda self, job, exception, more: None, r"error\(job, exception\)"),
            ("failure", lambda self, *, job: None, r"failure\(job\)"),
            ("reschedule_at", lambda self, now: None, r"reschedule_at\(now, attempts\)"),
            ("max_attempts", lambda self, job: 3, r"max_attempts\(\)"),
        ],
    )
    def test_is_refused_when_it_could_not_be_called(self, name, method, shown):
        members = {"perform": lambda self: None, name: method, "__qualname__": "Odd"}

        with pytest.raises(NotAJobError, match=rf"Odd\.{name} cannot be .*: it is called as {shown}, but takes other"):
            job(type("Odd", (), members))

    @pytest.mark.parametrize(
        ("name", "method"),
        [
            ("perform", lambda self, order=None: None),
            ("perform", classmethod(lambda cls: None)),
            ("before", lambda self: None),
            ("before", staticmethod(lambda job: None)),
            ("error", lambda self, job: None),
            ("error", lambda *everything: None),
            ("reschedule_at", lambda self, *arguments: None),
        ],
    )
    def test_may_leave_out_what_it_does_not_need(self, name, method):
        members = {"perform": lambda self: None, name: method, "__qualname__": "Fine"}

        assert job(name="test_declarations.fine")(type("Fine", (), members))


OVERRIDES = ["max_attempts", "max_run_time", "reschedule_at", "destroy_failed_jobs", "queue_name", "display_name"]


class TestAnOverride:
    @pytest.mark.parametrize("name", OVERRIDES)
    def test_is_refused_when_nobody_could_await_it(self, name):
        async def override(self):
            return 3

        with pytest.raises(NotAJobError, match=rf"Late\.{name} cannot be an override: .* write `def` for it"):
            job(type("Late", (), {"perform": print, name: override, "__qualname__": "Late"}))

    @pytest.mark.parametrize("name", OVERRIDES)
    def test_is_refused_as_a_generator(self, name):
        with pytest.raises(NotAJobError, match=rf"Late\.{name} cannot be an override: it is a generator"):
            job(type("Late", (), {"perform": print, name: generator, "__qualname__": "Late"}))

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("max_attempts", "three", "must be a whole number of 1 or more, got 'three'"),
            ("max_attempts", 0, "must be a whole number of 1 or more, got 0"),
            ("max_run_time", -1, "must be more than 0, got -1"),
            ("queue_name", 5, "must be a printable text"),
            ("destroy_failed_jobs", "no", "must be True or False, got 'no'"),
            ("display_name", 5, "must be a text or a method that returns one"),
            ("reschedule_at", 5, r"must be a method that takes \(now, attempts\)"),
        ],
    )
    def test_is_refused_where_it_is_a_bad_value_of_the_class(self, name, value, message):
        with pytest.raises(OptionError, match=rf"Bad\.{name} {message}"):
            job(type("Bad", (), {"perform": print, name: value, "__qualname__": "Bad"}))


class TestHandleAsynchronously:
    @pytest.mark.parametrize("option", ["name", "aliases"])
    def test_takes_no_name(self, option):
        with pytest.raises(RegistrationError, match=f"takes no {option}: .* is found by its class and its own name"):
            handle_asynchronously(**{option: "x"})(lambda self: None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"retry_onn": OSError}, r"unknown option 'retry_onn', did you mean retry_on\?"),
            ({"backoff": "exponential"}, "backoff must be a duration"),
            (
                {"priority": lambda band, job: 3},
                "priority must be a value, or a function of no argument or of the instance",
            ),
            ({"queue": async_generator}, "queue must be a value, or a plain function"),
            ({"tags": "red"}, "tags must be a list of texts"),
        ],
    )
    def test_refuses_what_it_could_not_use_at_a_call(self, options, message):
        with pytest.raises(OptionError, match=message):
            handle_asynchronously(**options)(lambda self: None)

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

    def test_tells_a_function_that_it_is_not_a_method(self):
        with pytest.raises(
            RegistrationError, match=r"test_declarations\.no_method is a function, .*: declare it with @job"
        ):
            handle_asynchronously(no_method)()


class TestRegister:
    def test_works_as_a_decorator(self):
        assert register(sample_jobs.NotAJob) is sample_jobs.NotAJob
        assert registry.class_name(sample_jobs.NotAJob) == "tests.support.sample_jobs.NotAJob"

    @pytest.mark.parametrize("thing", [print, generator, 5, "text"])
    def test_is_for_classes(self, thing):
        with pytest.raises(RegistrationError, match="register is for classes, got"):
            register(thing)

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

    def test_refuses_a_field_called_adelay(self):
        with pytest.raises(
            RegistrationError, match=r"Late has a field .* called adelay.* mongojobs\.adelay\(document\)"
        ):

            class Late(Delayable, Document):
                adelay = IntField()

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
