import asyncio

import bson
import pytest
from bson import Code
from bson.codec_options import CodecOptions

from mongojobs.core.errors import (
    ArgumentsError,
    DamagedPayloadError,
    DeserializationError,
    NotAJobError,
    PayloadTooLargeError,
    UnknownJobError,
    UnstorableValueError,
)
from mongojobs.payload.calls.handler import Outline, Payloads, function_call, method_call, object_call
from mongojobs.payload.calls.kinds import ClassMethodCall, MethodCall, ObjectCall
from mongojobs.payload.documents.references import DocumentReferences
from mongojobs.payload.values.codec import Codec
from tests.support.documents import Base, Group
from tests.support.payload_samples import (
    AsyncJob,
    Color,
    Named,
    NamedByAttribute,
    Namespace,
    Newsletter,
    OnlyHinted,
    Plain,
    PlainJob,
    Point,
    Unregistered,
    decide,
    declared,
    fetch,
    renamed,
    sample_codec,
    sample_registry,
    send_receipt,
)

HERE = "tests.support.payload_samples"


@pytest.fixture
def registry():
    return sample_registry()


@pytest.fixture
def payloads(registry):
    return Payloads(Codec(registry, DocumentReferences()))


def through_bson(payloads, call):
    stored = bson.encode(payloads.dump(call))
    return payloads.load(bson.decode(stored, CodecOptions(tz_aware=True)))


def a_handler(**changes):
    handler = {"v": 1, "kind": "function", "target": f"{HERE}.send_receipt", "args": [5], "kwargs": {}}
    return handler | changes


class Asynchronous:
    """What ``handle_asynchronously`` leaves in a class, reduced to the minimum."""

    def __init__(self, method, declaration=None):
        self.method = method
        self.declaration = declaration

    def __get__(self, instance, owner):
        return AsynchronousBound(self.method.__get__(instance, owner))


class AsynchronousBound:
    def __init__(self, without_delay):
        self.without_delay = without_delay

    def __call__(self, *args, **kwargs):
        raise AssertionError("the job must run the method, not enqueue it again")


class Reindexed:
    def __init__(self):
        self.name = "index"

    def _reindex(self, depth):
        return (self.name, depth)

    def _reindex_all(cls, depth):  # noqa: N805 - made a class method below
        return (cls.__name__, depth)

    describe = _reindex
    _reindex_quietly = Asynchronous(_reindex, declared(_reindex, name="x", kind="method"))
    reindex = Asynchronous(_reindex, declared(_reindex, name="x", kind="method", queue="slow"))
    reindex_all = Asynchronous(classmethod(_reindex_all), declared(_reindex_all, name="x", kind="method"))


class TestFunctionCall:
    @pytest.mark.behaviour("X25")
    def test_passes_positional_and_keyword_arguments_through(self, registry, payloads):
        call = function_call(registry.of(send_receipt), (5, "a", "b"), {"copies": 2, "urgent": True})

        loaded = through_bson(payloads, call)

        assert loaded.perform() == (5, ("a", "b"), 2, {"urgent": True})

    def test_is_stored_so_that_people_can_read_it(self, registry, payloads):
        call = function_call(registry.of(send_receipt), (5,), {"copies": 2})

        assert payloads.dump(call) == {
            "v": 1,
            "kind": "function",
            "target": f"{HERE}.send_receipt",
            "args": [5],
            "kwargs": {"copies": 2},
        }

    @pytest.mark.parametrize("name", ["__mj", "$ref", "$set", "a.b", "with space"])
    def test_takes_keyword_arguments_of_any_name(self, registry, payloads, name):
        call = function_call(registry.of(send_receipt), (5,), {name: 1})

        assert through_bson(payloads, call).perform() == (5, (), 1, {name: 1})

    def test_is_named_after_the_function(self, registry):
        assert function_call(registry.of(send_receipt), (5,)).name == f"{HERE}.send_receipt"

    @pytest.mark.parametrize(
        ("args", "kwargs", "problem"),
        [
            ((), {}, "missing a required argument: 'order_id'"),
            ((1,), {"order_id": 2}, "multiple values for argument 'order_id'"),
        ],
    )
    def test_is_refused_when_the_arguments_do_not_fit(self, registry, args, kwargs, problem):
        with pytest.raises(ArgumentsError, match=problem) as caught:
            function_call(registry.of(send_receipt), args, kwargs)

        assert f"{HERE}.send_receipt(order_id: int, *extra" in str(caught.value)

    def test_of_a_function_in_main_is_refused(self):
        with pytest.raises(NotAJobError, match="move it to a module"):
            function_call(declared(renamed, name="__main__.renamed"), ("a",))

    def test_of_an_async_function_returns_the_coroutine(self, registry, payloads):
        call = through_bson(payloads, function_call(registry.of(fetch), ("there",)))

        assert call.is_async
        assert asyncio.run(call.perform()) == "fetched there"

    @pytest.mark.parametrize(
        ("args", "kwargs", "place"),
        [
            (([object()],), {}, "argument 'order_id'[0] is"),
            ((1, 2, object()), {}, "argument 3 is"),
            ((1,), {"copies": object()}, "argument 'copies' is"),
            ((1,), {"a b": object()}, 'keyword arguments["a b"] is'),
        ],
    )
    def test_names_the_argument_that_cannot_be_stored(self, registry, payloads, args, kwargs, place):
        call = function_call(registry.of(send_receipt), args, kwargs)

        with pytest.raises(UnstorableValueError) as caught:
            payloads.dump(call)

        assert str(caught.value).startswith(place)

    @pytest.mark.behaviour("S147")
    def test_stored_under_an_old_name_still_loads(self, payloads):
        old = a_handler(target="app.old_name", args=["text"])

        assert payloads.load(old).perform() == "text"

    def test_learns_enums_from_the_type_hints(self, registry, payloads):
        call = function_call(registry.of(decide), (OnlyHinted.YES, []))

        assert through_bson(payloads, call).perform() is OnlyHinted.YES

    def test_learns_them_in_a_worker_that_only_loads(self, registry, payloads):
        stored = payloads.dump(function_call(registry.of(decide), (OnlyHinted.YES, [])))
        worker = Payloads(sample_codec())

        assert worker.load(stored).perform() is OnlyHinted.YES

    @pytest.mark.behaviour("S3")
    def test_is_loaded_again_each_time(self, registry, payloads):
        stored = payloads.dump(function_call(registry.of(send_receipt), ([1],)))

        first, second = payloads.load(stored), payloads.load(stored)

        assert first.args == second.args
        assert first.args[0] is not second.args[0]


class TestMethodCall:
    @pytest.mark.behaviour("S127")
    def test_calls_the_method_with_the_arguments(self, payloads):
        call = method_call(Plain(name="x"), "shout", ("word",))

        assert through_bson(payloads, call).perform() == "WORD"

    @pytest.mark.behaviour("S118")
    def test_stores_target_method_and_arguments(self, payloads):
        stored = payloads.dump(method_call(Plain(name="x"), "shout", (), {"word": "a"}))

        assert stored["kind"] == "method"
        assert stored["target"]["v"] == {"class": f"{HERE}.Plain", "fields": {"name": "x"}}
        assert (stored["method"], stored["args"], stored["kwargs"]) == ("shout", [], {"word": "a"})

    @pytest.mark.behaviour("S41", "S130")
    def test_is_shown_as_class_hash_sign_method(self):
        assert method_call(Group(), "update_users").name == "Group#update_users"

    @pytest.mark.behaviour("S131")
    def test_on_a_class_is_shown_as_class_dot_method(self):
        assert method_call(Group, "rebuild").name == "Group.rebuild"

    @pytest.mark.behaviour("S128")
    def test_is_refused_for_a_method_that_is_missing(self):
        with pytest.raises(NotAJobError, match="Group has no method 'update_user': did you mean 'update_users'"):
            method_call(Group(), "update_user")

    def test_does_not_hear_of_methods_that_cannot_be_jobs(self):
        with pytest.raises(NotAJobError, match=r"(?m)Group has no method .drop_colection.$"):
            method_call(Group(), "drop_colection")

    @pytest.mark.behaviour("S129")
    def test_accepts_a_private_method_that_is_declared(self):
        assert method_call(Reindexed(), "_reindex_quietly", (1,)).perform() == ("index", 1)

    @pytest.mark.parametrize(("target", "method"), [(Group(), "_quietly"), (Reindexed(), "_reindex")])
    def test_refuses_a_private_method_that_is_not(self, target, method):
        with pytest.raises(NotAJobError, match="a private or overridden method must be declared, by @handle_asynchr"):
            method_call(target, method)

    @pytest.mark.parametrize("method", ["__init__", "__class__", "__getattribute__", "__hidden"])
    def test_refuses_names_of_python_itself(self, method):
        with pytest.raises(NotAJobError, match="two underscores"):
            method_call(Group(), method)

    @pytest.mark.parametrize("method", ["save", "delete", "_get_collection", "to_mongo", "switch_db", "objects"])
    @pytest.mark.parametrize("target", [Group(), Group])
    def test_refuses_what_mongoengine_defines(self, target, method):
        with pytest.raises(NotAJobError, match="MongoEngine's own: define a method that calls it"):
            method_call(target, method)

    @pytest.mark.parametrize("attribute", ["name", "id", "DoesNotExist"])
    def test_refuses_what_is_not_a_method(self, attribute):
        with pytest.raises(NotAJobError):
            method_call(Group(), attribute)

    def test_refuses_an_instance_method_on_a_class(self):
        with pytest.raises(NotAJobError, match="call it on an instance, or make it a classmethod"):
            method_call(Group, "update_users")

    def test_does_not_take_the_methods_of_a_metaclass(self):
        with pytest.raises(NotAJobError, match="no method 'mro'"):
            method_call(Group, "mro")

    def test_is_refused_when_the_arguments_do_not_fit(self):
        with pytest.raises(ArgumentsError, match=r"Group#rename\(name: str\).*missing a required argument: 'name'"):
            method_call(Group(), "rename")

    @pytest.mark.parametrize("target", [Group(), Group])
    @pytest.mark.parametrize(("method", "result"), [("rebuild", "Group rebuilt 1 deep"), ("version", "1")])
    def test_takes_class_methods_and_static_methods(self, target, method, result):
        assert method_call(target, method).perform() == result

    def test_on_a_class_is_stored_by_the_name_of_the_class(self, payloads):
        call = method_call(Group, "rebuild", (2,))

        assert payloads.dump(call)["target"] == "tests.support.documents.Group"
        assert through_bson(payloads, call) == ClassMethodCall(Group, "rebuild", (2,), {})

    def test_on_an_abstract_class_runs(self, payloads):
        assert through_bson(payloads, method_call(Base, "count_all")).perform() == "Base"

    def test_on_a_registered_class_runs(self, registry, payloads):
        registry.add_class(Reindexed)

        assert through_bson(payloads, method_call(Reindexed(), "describe", (1,))).perform() == ("index", 1)

    @pytest.mark.parametrize(("target", "method"), [(Unregistered(), "x"), ("text", "upper"), ([], "clear")])
    def test_on_anything_else_is_refused(self, payloads, target, method):
        call = MethodCall(target, method)

        with pytest.raises(NotAJobError):
            payloads.dump(call)

    @pytest.mark.behaviour("S115")
    def test_of_an_asynchronous_method_runs_it(self, registry, payloads):
        registry.add_class(Reindexed)

        call = through_bson(payloads, method_call(Reindexed(), "reindex", (3,)))

        assert call.perform() == ("index", 3)

    def test_of_an_asynchronous_method_carries_what_was_declared(self):
        assert method_call(Reindexed(), "reindex", (3,)).declaration.queue == "slow"
        assert method_call(Group(), "update_users").declaration is None

    def test_of_an_asynchronous_class_method_runs_it(self, registry, payloads):
        registry.add_class(Reindexed)

        call = through_bson(payloads, method_call(Reindexed, "reindex_all", (3,)))

        assert call.perform() == ("Reindexed", 3)

    def test_of_an_asynchronous_instance_method_on_a_class_is_refused(self):
        with pytest.raises(NotAJobError, match="call it on an instance"):
            method_call(Reindexed, "reindex", (3,))

    def test_of_an_async_method_returns_the_coroutine(self):
        call = method_call(Group(name="g"), "notify")

        assert call.is_async
        assert asyncio.run(call.perform()) == "told g"

    def test_has_no_job_object(self):
        assert method_call(Group(), "update_users").job_object is None
        assert method_call(Group, "rebuild").job_object is None


class TestObjectCall:
    @pytest.mark.parametrize("job", [Newsletter("a", to=[(1, 2)]), PlainJob("a"), Namespace.Nested("a")])
    @pytest.mark.behaviour("S16")
    def test_performs_an_equal_object(self, registry, payloads, job):
        loaded = through_bson(payloads, object_call(job, registry=registry))

        assert type(loaded.target) is type(job)
        assert vars(loaded.target) == vars(job)
        assert loaded.perform() == job.perform()

    def test_is_stored_so_that_people_can_read_it(self, registry, payloads):
        assert payloads.dump(object_call(Newsletter("a"), registry=registry)) == {
            "v": 1,
            "kind": "object",
            "target": f"{HERE}.Newsletter",
            "args": [],
            "kwargs": {"text": "a", "to": None},
        }

    @pytest.mark.behaviour("S39")
    def test_is_named_after_its_class(self, registry):
        assert object_call(Newsletter("a"), registry=registry).name == "Newsletter"

    @pytest.mark.behaviour("S40")
    @pytest.mark.parametrize(("job", "name"), [(Named("a"), "newsletter a"), (NamedByAttribute("a"), "a fixed name")])
    def test_shows_its_display_name(self, registry, job, name):
        assert object_call(job, registry=registry).name == name

    @pytest.mark.parametrize("name", [5, "", "a\nb", None])
    def test_with_a_display_name_that_is_not_text_is_refused(self, registry, name):
        call = object_call(NamedByAttribute("a", display_name=name), registry=registry)

        with pytest.raises(NotAJobError, match="display_name of NamedByAttribute"):
            _ = call.name

    @pytest.mark.behaviour("S4", "S11")
    @pytest.mark.parametrize("job", [Point(1), "text", Newsletter, send_receipt, None])
    def test_needs_perform(self, registry, job):
        with pytest.raises(NotAJobError, match=r"perform\(\)"):
            object_call(job, registry=registry)

    def test_needs_a_declared_class(self, registry):
        job = Plain(perform=print)

        with pytest.raises(NotAJobError, match="put @job before"):
            object_call(job, registry=registry)

    def test_gives_its_object_to_the_hooks(self, registry):
        job = Newsletter("a")

        assert object_call(job, registry=registry).job_object is job

    def test_may_be_async(self, registry, payloads):
        call = through_bson(payloads, object_call(AsyncJob(), registry=registry))

        assert call.is_async
        assert asyncio.run(call.perform()) == "awaited"

    def test_names_the_field_that_cannot_be_stored(self, registry, payloads):
        call = object_call(Newsletter("a", to=[object()]), registry=registry)

        with pytest.raises(UnstorableValueError, match=r"^Newsletter\.to\[0\] is an object"):
            payloads.dump(call)

    def test_of_an_enum_is_refused(self, registry, payloads):
        call = ObjectCall(declared(Color), Color.RED)

        with pytest.raises(UnstorableValueError, match="an enum"):
            payloads.dump(call)


class TestSize:
    @pytest.mark.behaviour("S51")
    def test_takes_a_payload_of_some_28000_characters(self, registry, payloads):
        call = function_call(registry.of(renamed), ("x" * 28_000,))

        assert through_bson(payloads, call).perform() == "x" * 28_000

    @pytest.mark.behaviour("X31")
    def test_refuses_a_payload_over_the_limit(self, registry, payloads):
        call = function_call(registry.of(send_receipt), (5, "x" * 2**20), {"copies": "y" * 99})

        with pytest.raises(
            PayloadTooLargeError, match=r"more than 1048576: the largest is argument 2 \(1048588"
        ) as caught:
            payloads.dump(call)

        assert (caught.value.limit, caught.value.size > 2**20) == (2**20, True)

    @pytest.mark.parametrize("args", [("x",), (5,), (None,)])
    def test_is_exact(self, registry, payloads, args):
        call = function_call(registry.of(renamed), args)
        size = len(bson.encode(payloads.dump(call)))

        assert Payloads(payloads.codec, size).dump(call)
        with pytest.raises(PayloadTooLargeError):
            Payloads(payloads.codec, size - 1).dump(call)

    def test_names_the_target_when_there_are_no_arguments(self, registry, payloads):
        with pytest.raises(PayloadTooLargeError, match="the largest is its target"):
            Payloads(payloads.codec, 1).dump(method_call(Group, "rebuild"))


DAMAGED = [
    None,
    [],
    "text",
    {},
    a_handler(v=None),
    a_handler(v=True),
    a_handler(v=0),
    a_handler(kind="eval"),
    a_handler(kind=["function"]),
    a_handler(kind=Code("function")),
    a_handler(extra=1),
    a_handler(args={}),
    a_handler(args=None),
    a_handler(kwargs=[]),
    a_handler(kwargs={"__mj": "pairs", "v": [[1, 2]]}),
    a_handler(kwargs={"__mj": "tuple", "v": []}),
    a_handler(target=f"{HERE}.Newsletter"),
    a_handler(kind="object"),
    a_handler(kind="object", target=f"{HERE}.Newsletter", args=[1], kwargs={"text": "a"}),
    a_handler(kind="object", target=f"{HERE}.Newsletter", args=[], kwargs={"body": "a"}),
    a_handler(kind="object", target=f"{HERE}.Newsletter", args=[], kwargs={}),
    a_handler(
        kind="object", target=f"{HERE}.PlainJob", args=[], kwargs={"perform": {"__mj": "class", "v": f"{HERE}.Color"}}
    ),
    a_handler(kind="method", target="text", method="upper", args=[]),
    a_handler(kind="method", target=[], method="clear", args=[]),
    a_handler(kind="method", method=5),
    a_handler(kind="method", method={"$ne": None}),
]


class TestLoad:
    @pytest.mark.behaviour("S29", "S30")
    @pytest.mark.parametrize("handler", DAMAGED, ids=lambda handler: f"{handler!r:.70}")
    def test_of_damage_says_so(self, payloads, handler):
        with pytest.raises(DamagedPayloadError):
            payloads.load(handler)

    def test_of_a_later_version_says_so(self, payloads):
        with pytest.raises(DamagedPayloadError, match="a newer mongojobs wrote it"):
            payloads.load(a_handler(v=2))

    @pytest.mark.behaviour("S27", "S28")
    @pytest.mark.parametrize("kind", ["function", "object", "class_method"])
    @pytest.mark.parametrize(
        ("target", "error"),
        [
            *((target, UnknownJobError) for target in ("os.system", "builtins.eval", "__class__")),
            *((target, DamagedPayloadError) for target in ("", "x" * 10**6, None, 5, {"$ne": None}, ["a"], Code("a"))),
        ],
    )
    def test_of_an_unknown_name_says_so(self, payloads, kind, target, error):
        method = {"method": "system"} if kind == "class_method" else {}

        with pytest.raises(error):
            payloads.load(a_handler(kind=kind, target=target, **method))

    @pytest.mark.parametrize(
        ("method", "problem"),
        [
            ("rebuild_all", "no method 'rebuild_all'"),
            ("drop_collection", "MongoEngine's own"),
            ("_get_collection", "MongoEngine's own"),
            ("update_users", "instance method"),
            ("__subclasses__", "two underscores"),
        ],
    )
    def test_of_a_method_that_cannot_be_a_job_says_so(self, payloads, method, problem):
        planted = a_handler(kind="class_method", target="tests.support.documents.Group", method=method, args=[])

        with pytest.raises(DeserializationError, match=problem):
            payloads.load(planted)

    def test_of_a_method_of_a_library_that_unpickles_what_it_is_given_says_so(self, payloads):
        told = {"proto": "pickle", "allow_pickle": True}
        planted = a_handler(kind="class_method", target=f"{HERE}.Model", method="parse_raw", args=[b"."], kwargs=told)

        with pytest.raises(DeserializationError, match=r"Model\.parse_raw is Pydantic's own"):
            payloads.load(planted)

    @pytest.mark.parametrize(("args", "kwargs"), [([], {}), ([1], {"order_id": 2})])
    def test_of_arguments_that_do_not_fit_any_more_says_so(self, payloads, args, kwargs):
        with pytest.raises(DeserializationError, match="no longer fits the code"):
            payloads.load(a_handler(args=args, kwargs=kwargs))

    @pytest.mark.parametrize(
        ("changes", "label"),
        [
            ({"args": [{"__mj": "x", "v": 1}]}, "argument 'order_id': "),
            ({"args": [1, 2, {"__mj": "x", "v": 1}]}, "argument 3: "),
            ({"kwargs": {"copies": {"__mj": "x", "v": 1}}}, "argument 'copies': "),
        ],
    )
    def test_names_the_argument_that_is_damaged(self, payloads, changes, label):
        with pytest.raises(DamagedPayloadError, match=f"^{label}"):
            payloads.load(a_handler(**changes))


class TestPeek:
    def test_describes_a_function(self, registry, payloads):
        stored = payloads.dump(function_call(registry.of(fetch), ("there",)))

        assert payloads.peek(stored) == Outline(f"{HERE}.fetch", registry.of(fetch), is_async=True)

    def test_describes_a_job_object(self, registry, payloads):
        stored = payloads.dump(object_call(Newsletter("a"), registry=registry))

        assert payloads.peek(stored) == Outline("Newsletter", registry.of(Newsletter))

    def test_says_what_was_declared_for_a_method(self, registry, payloads):
        registry.add_class(Reindexed)
        stored = payloads.dump(method_call(Reindexed(), "reindex", (1,)))

        assert payloads.peek(stored).declaration.queue == "slow"

    def test_describes_a_class_method(self, payloads):
        stored = payloads.dump(method_call(Group, "rebuild"))

        assert payloads.peek(stored) == Outline("Group.rebuild")

    def test_names_a_method_of_a_class_that_is_gone(self, payloads):
        stored = a_handler(kind="class_method", target="app.models.Old", method="run", args=[])

        assert payloads.peek(stored) == Outline("Old.run")

    @pytest.mark.parametrize(
        "handler", [*DAMAGED[:14], a_handler(target="os.system"), a_handler(v=2)], ids=lambda h: f"{h!r:.70}"
    )
    def test_tells_nothing_of_damage(self, payloads, handler):
        assert payloads.peek(handler) == Outline()
