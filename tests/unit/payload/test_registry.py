import functools
import re

import pytest

from mongojobs.core.errors import DamagedPayloadError, RegistrationError, UnknownJobError
from mongojobs.payload.registry import Registry, job_name
from tests.support.payload_samples import (
    AsyncJob,
    Color,
    HintedInside,
    HintedRecord,
    Newsletter,
    OnlyHinted,
    Point,
    Unregistered,
    decide,
    declared,
    fetch,
    renamed,
    send_receipt,
)

HERE = "tests.support.payload_samples"


@pytest.fixture
def registry():
    return Registry()


class TestJobName:
    def test_is_module_and_qualname(self):
        assert job_name(send_receipt) == f"{HERE}.send_receipt"

    def test_is_the_given_one(self):
        assert job_name(lambda: 1, "app.lambda") == "app.lambda"

    @pytest.mark.parametrize("target", [lambda: 1, functools.partial(renamed), 5])
    def test_is_refused_to_what_has_none(self, target):
        with pytest.raises(RegistrationError, match="define it at the top level of a module, or give name="):
            job_name(target)

    def test_is_refused_to_a_function_inside_another(self):
        def local():
            pass

        with pytest.raises(RegistrationError, match=r"<locals>\.local"):
            job_name(local)

    @pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "x" * 257, 5])
    def test_must_be_a_short_text_that_prints(self, name):
        with pytest.raises(RegistrationError, match="1 to 256 printable characters"):
            job_name(send_receipt, name)


class TestRegistry:
    def test_finds_a_job_by_its_name(self, registry):
        declaration = declared(send_receipt)

        registry.add(declaration)

        assert registry.find(f"{HERE}.send_receipt") is declaration

    @pytest.mark.behaviour("S147")
    def test_finds_a_job_by_its_old_name(self, registry):
        declaration = declared(renamed, aliases=("app.old_name",))

        registry.add(declaration)

        assert registry.find("app.old_name") is declaration

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            *((name, UnknownJobError) for name in ("os.system", "__class__")),
            *((name, DamagedPayloadError) for name in ("", "x" * 10**6, None, 5, {"$ne": None}, ["a"])),
        ],
    )
    def test_says_of_an_unknown_name_what_to_do_and_whether_it_can_be_one(self, registry, name, error):
        with pytest.raises(error, match=r"-A.*aliases") as caught:
            registry.find(name)

        assert repr(name)[:100] in str(caught.value)
        assert len(str(caught.value)) < 400

    def test_finds_the_declaration_of_a_function(self, registry):
        declaration = declared(send_receipt)

        registry.add(declaration)

        assert registry.of(send_receipt) is declaration
        assert registry.of(renamed) is None
        assert registry.of([]) is None

    @pytest.mark.parametrize("name", [f"{HERE}.send_receipt", "app.old_name"])
    def test_refuses_a_name_that_another_job_has(self, registry, name):
        registry.add(declared(send_receipt, aliases=("app.old_name",)))

        with pytest.raises(RegistrationError, match=re.escape(name)):
            registry.add(declared(renamed, name=name))

    def test_lets_a_reloaded_module_register_again(self, registry):
        registry.add(declared(send_receipt, queue="old"))

        registry.add(declared(send_receipt, queue="new"))

        assert registry.find(f"{HERE}.send_receipt").queue == "new"

    def test_knows_job_classes_as_values_too(self, registry):
        registry.add(declared(Newsletter, name="app.news"))

        assert registry.find_class("app.news") is Newsletter
        assert registry.class_name(Newsletter) == "app.news"

    def test_does_not_take_a_function_for_a_class(self, registry):
        registry.add(declared(send_receipt))

        with pytest.raises(UnknownJobError):
            registry.find_class(f"{HERE}.send_receipt")

    def test_finds_a_class_by_its_name(self, registry):
        registry.add_class(Color, "app.Color")

        assert registry.find_class("app.Color") is Color
        assert registry.class_name(Color) == "app.Color"

    def test_refuses_a_class_name_that_another_class_has(self, registry):
        registry.add_class(Color, "app.x")

        with pytest.raises(RegistrationError, match=r"app\.x"):
            registry.add_class(Point, "app.x")

    def test_does_not_know_other_classes(self, registry):
        assert registry.class_name(Unregistered) is None

    @pytest.mark.parametrize("cls", [OnlyHinted, HintedRecord, HintedInside])
    def test_learns_value_classes_from_the_type_hints_of_a_job(self, registry, cls):
        registry.add(declared(decide))

        assert registry.class_name(cls) == f"{HERE}.{cls.__name__}"
        assert registry.find_class(f"{HERE}.{cls.__name__}") is cls


class TestDeclaration:
    @pytest.mark.parametrize(
        ("target", "expected"), [(send_receipt, False), (fetch, True), (Newsletter, False), (AsyncJob, True)]
    )
    def test_says_whether_the_job_is_async(self, target, expected):
        assert declared(target).is_async is expected
