"""Jobs are found by their arguments: by name or place, in their own type, and no others."""

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from bson import ObjectId
from mongoengine import Document, IntField, LazyReferenceField, StringField
from mongoengine.base import LazyReference

from mongojobs import Delayable, enqueue, handle_asynchronously, job, register
from mongojobs.core.errors import FilterError
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.searching.typed import read_typed
from tests.support.sample_documents import Band, City
from tests.support.sample_jobs import Newsletter

ID_TEXT = "0123456789ab0123456789ab"
ORDER = UUID("12345678-1234-5678-1234-567812345678")
SEVEN = ["7", 7, 7.0, True, None, [7], Decimal(7), {"x": 7}, (7,), b"7"]
ONE = [1, 1.0, True, "1", [1], Decimal(1), None]


@register
class Paint(enum.Enum):
    RED = "red"
    BLUE = "blue"


@register
class Mood(enum.StrEnum):
    CALM = "calm"


@register
@dataclass
class Parcel:
    weight: float
    to: "Parcel | None" = None


class Proxy:
    """Stands for something that exists only during a request."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"no request, and so no {name}")


class Keeper(Delayable, Document):
    """Has a method whose argument is in a different place than elsewhere, and an attribute that cannot be queried."""

    site = Proxy()
    name = StringField()
    band = LazyReferenceField(Band)

    def sweep(self, broom: str, cage: int = 0) -> None: ...

    @handle_asynchronously
    def feed(self, food: str, cage: int) -> None: ...

    @classmethod
    def hire(cls, cage: int) -> None: ...


class Feathered(Delayable):
    """Is not a document itself: only documents of a subclass have its methods."""

    @handle_asynchronously
    def preen(self, cage: int) -> None: ...


class Parrot(Feathered, Document):
    @handle_asynchronously
    def preen(self, beak: str, cage: int) -> None: ...


class Twin:
    class Twin(Delayable, Document):
        id = IntField(primary_key=True)
        meta = {"collection": "twin"}

        def walk(self, where: str, steps: int) -> None: ...

        @classmethod
        def call(cls, steps: int) -> None: ...


class Twins:
    class Twin(Delayable, Document):
        id = IntField(primary_key=True)
        meta = {"collection": "twins"}

        def walk(self, steps: int, where: str) -> None: ...


@job
def ship(order_id: object, cage: object = None) -> None: ...


@job(aliases=("packs",))
def pack(box: object, order_id: object = None, *rest: object, target: object = None, **more: object) -> None: ...


@pytest.fixture
def found(app):
    """Returns the ids of the jobs that a filter of arguments finds."""

    def found(**arguments):
        return {one.id for one in app.find(JobFilter(arguments=arguments)).jobs}

    return found


@pytest.fixture
def typed(app):
    """Returns the ids of the jobs that are found by an argument as it is typed."""

    def typed(place, text):
        return {one.id for one in app.find(JobFilter(arguments={place: read_typed(text)})).jobs}

    return typed


class TestAName:
    def test_finds_what_was_given_by_name_and_by_position(self, found):
        jobs = [ship.delay(7), ship.delay(order_id=7), pack.delay(1, 7), pack.delay(1, order_id=7)]
        ship.delay(8, 7)
        pack.delay(7, 8)

        assert found(order_id=7) == {one.id for one in jobs}

    def test_finds_the_arguments_of_methods(self, app, found):
        keeper = Keeper().save()
        jobs = [keeper.feed("hay", 7), keeper.delay.sweep("b", 7), Keeper.delay.hire(7), ship.delay(1, 7)]
        keeper.feed("hay", 8)
        Keeper.delay.hire(8)

        assert found(cage=7) == {one.id for one in jobs}

    def test_finds_the_arguments_of_the_bodies_that_were_called(self, app, found):
        parrot = Parrot().save()
        jobs = [parrot.preen("b", 7), Feathered.preen(parrot, 7)]
        parrot.preen(7, 8)
        Feathered.preen(parrot, 8)

        assert found(cage=7) == {one.id for one in jobs}

    def test_finds_methods_of_classes_that_share_their_name(self, app, found):
        one, other = Twin.Twin(id=7).save(), Twins.Twin(id=7).save()
        jobs = [one.delay.walk("here", 7), other.delay.walk(7, "there"), Twin.Twin.delay.call(7)]
        one.delay.walk(7, "here")
        other.delay.walk("there", 7)

        assert found(steps=7) == {one.id for one in jobs}

    def test_finds_the_fields_of_job_objects(self, app, found):
        job = enqueue(Newsletter("hello"))
        enqueue(Newsletter("bye"))

        assert found(text="hello") == {job.id}

    def test_finds_what_is_inside_of_arguments(self, found):
        jobs = [ship.delay({"id": 7}), ship.delay(order_id={"id": 7}), pack.delay(1, {"id": 7})]
        ship.delay({"id": 8})
        ship.delay([{"id": 7}])

        assert found(**{"order_id.id": 7}) == {one.id for one in jobs}

    def test_finds_what_is_inside_of_lists_tuples_and_objects(self, found):
        listed, tupled = ship.delay([5, 7]), ship.delay((5, 7))
        boxed = ship.delay([Parcel(1.5, Parcel(2.5))])
        ship.delay([(5, 7)])

        assert found(**{"order_id.1": 7}) == {listed.id, tupled.id}
        assert found(**{"order_id.0.to.weight": 2.5}) == {boxed.id}

    def test_does_not_find_what_only_the_payload_holds(self, found):
        ship.delay(Decimal("1.10"))

        assert found(**{"order_id.v": "1.10"}) == set()

    def test_of_a_parameter_that_the_code_does_not_have_finds_names_alone(self, found):
        job = pack.delay(1, colour="red")

        assert found(colour="red") == {job.id}

    def test_finds_an_argument_that_is_called_target(self, found):
        job = pack.delay(1, target=7)

        assert found(target=7) == {job.id}

    def test_changes_no_others(self, app):
        jobs = [ship.delay(7), ship.delay(8), ship.delay(order_id=7), pack.delay(7)]

        assert app.count_for("delete", JobFilter(arguments={"order_id": 7})) == 2
        assert app.delete_all(JobFilter(arguments={"order_id": 7})) == 2
        assert {one.id for one in app.find().jobs} == {jobs[1].id, jobs[3].id}


class TestAPlace:
    def test_finds_positional_arguments_and_those_beyond_the_names(self, found):
        job = pack.delay(1, 2, 3)

        assert found(**{"0": 1}) == found(**{"2": 3}) == {job.id}
        assert found(**{"2": 2}) == found(**{"9" * 20: 3}) == set()

    def test_is_not_a_key_of_a_dict_among_the_arguments(self, found):
        job = pack.delay(7, {"0": 7})
        pack.delay("z", {"0": 7})
        pack.delay({"0": 7})

        assert found(**{"0": 7}) == found(box=7) == {job.id}

    def test_deep_inside_finds_what_is_in_plain_values(self, found):
        job = ship.delay({"a": {"b": {"c": {"d": [{"e": 7}]}}}})

        assert found(**{"order_id.a.b.c.d.0.e": 7}) == {job.id}

    def test_asks_for_few_things_however_deep_it_is(self, app):
        queries = app.store.queries.match_argument("order_id.a.b.c.d.e.f", ID_TEXT, as_shown=False)["$or"]

        assert len(queries) < 100


class TestAValue:
    @pytest.mark.parametrize("value", [1, 1.0, True, "1", None, Decimal(1)], ids=repr)
    @pytest.mark.parametrize("name", ["order_id", "0"])
    def test_is_found_in_its_own_type_alone(self, app, found, value, name):
        jobs = {repr(one): ship.delay(one) for one in ONE}
        pack.delay(2)

        assert found(**{name: value}) == {jobs[repr(value)].id}

    @pytest.mark.parametrize("value", [7, "7", None, True])
    def test_is_deleted_in_its_own_type_alone(self, app, value):
        made = ship.delay_many([(one,) for one in SEVEN])
        ship.options(tags=["kept"]).delay(order_id={})

        assert app.delete_all(JobFilter(arguments={"order_id": value})) == 1

        assert app.count().number == len(made)
        assert app.find(JobFilter(arguments={"order_id": value})).jobs == ()

    @pytest.mark.parametrize(
        "value",
        [
            2**62,
            -1.5,
            "häagen",
            ObjectId("65a1b2c3d4e5f60718293a4b"),
            Decimal("1.10"),
            ORDER,
            date(2026, 1, 2),
            datetime(2026, 1, 2, 3, tzinfo=UTC),
            datetime(2026, 1, 2, 3, 0, 0, 5, timezone(timedelta(hours=1))),
            datetime(2026, 1, 2, 3),  # noqa: DTZ001 - naive on purpose
            timedelta(minutes=5),
            Paint.RED,
            Mood.CALM,
        ],
        ids=repr,
    )
    def test_may_be_of_many_kinds(self, found, value):
        jobs = [ship.delay(value), pack.delay(1, order_id=value)]
        ship.delay_many([("calm",), (Paint.BLUE,), (None,), (date(2026, 1, 3),)])

        assert found(order_id=value) == {one.id for one in jobs}

    def test_must_be_one_that_a_job_can_have(self, app):
        class Other(enum.Enum):
            A = 1

        with pytest.raises(FilterError, match="no job can have such an argument"):
            app.find(JobFilter(arguments={"x": Other.A}))


class TestADocument:
    @pytest.fixture
    def band(self, app):
        return Band(name="Abba").save()

    @pytest.mark.parametrize("by", [lambda band: band, lambda band: band.pk, lambda band: str(band.pk)])
    def test_is_found_as_the_target_by_itself_and_by_its_id(self, found, band, by):
        jobs = [band.delay.play(), band.tour()]
        Band(name="Blur").save().delay.play(band)

        assert found(target=by(band)) == {one.id for one in jobs}

    @pytest.mark.parametrize("by", [lambda band: band, lambda band: band.pk])
    def test_is_found_as_an_argument_by_itself_and_by_its_id(self, found, band, by):
        jobs = [ship.delay(band), ship.delay(order_id=band), ship.delay(LazyReference(Band, band.pk))]
        ship.delay(Band(name="Blur").save())

        assert found(order_id=by(band)) == {one.id for one in jobs}

    def test_is_found_inside_of_an_argument(self, found, band):
        job = ship.delay({"band": band})

        assert found(**{"order_id.band": band.pk}) == {job.id}

    def test_is_not_a_list_of_it(self, found, band):
        job = ship.delay(band)
        ship.delay([band])
        ship.delay([[band]])
        ship.delay(order_id=[band.to_dbref()])

        assert found(order_id=band) == {job.id}
        assert found(order_id=band.pk) == {job.id}

    def test_is_not_one_of_another_class_with_the_same_id(self, found, band):
        keeper = Keeper(id=band.pk).save()
        job = ship.delay(keeper)
        ship.delay(band)

        assert found(order_id=keeper) == {job.id}

    def test_is_found_by_a_key_that_is_a_text(self, found):
        city = City(code="ams").save()
        job = ship.delay(city)

        assert found(order_id="ams") == found(order_id=city) == {job.id}

    def test_is_found_by_its_class_no_text_with_the_same_letters(self, found, band):
        ship.delay(str(band.pk))

        assert found(order_id=band.pk) == set()


class TestATypedValue:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("7", [7]),
            ('"7"', ["7"]),
            ("7.0", [7.0]),
            ("true", [True]),
            ("null", [None]),
            ("NaN", ["NaN"]),
            ("seven", ["seven"]),
            ("Decimal('7')", [Decimal(7)]),
            (str(ORDER), [ORDER, str(ORDER)]),
            (f"UUID('{ORDER}')", [ORDER]),
            ("0123456789ab0123456789ab", ["0123456789ab0123456789ab", ObjectId("0123456789ab0123456789ab")]),
            ('"0123456789ab0123456789ab"', ["0123456789ab0123456789ab"]),
            ("2026-01-02", ["2026-01-02", date(2026, 1, 2)]),
            ("date('2026-01-02')", [date(2026, 1, 2)]),
            ("2026-01-02T03:00:00Z", [datetime(2026, 1, 2, 3, tzinfo=UTC)]),
            ("Paint.RED", ["Paint.RED", Paint.RED]),
        ],
    )
    def test_is_found_as_what_is_written_so(self, typed, text, values):
        wanted = [ship.delay(value) for value in values]
        other = [*SEVEN, "seven and more", Paint.BLUE, [Paint.RED]]
        others = [value for value in other if repr(value) not in map(repr, values)]
        ship.delay_many([(value,) for value in others])

        assert typed("order_id", text) == {one.id for one in wanted}

    def test_that_is_none_is_refused(self):
        with pytest.raises(FilterError, match="is no Decimal"):
            read_typed("Decimal('x')")
