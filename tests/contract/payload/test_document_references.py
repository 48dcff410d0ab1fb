"""MongoEngine documents in payloads, on a real server: one test for each thing that MongoEngine does."""

import contextlib
import datetime as dt
import functools
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import bson
import mongoengine
import pytest
from bson import DBRef, ObjectId
from bson.codec_options import CodecOptions
from mongoengine import signals
from mongoengine.base import LazyReference
from mongoengine.context_managers import switch_collection, switch_db
from pymongo import ReadPreference, monitoring
from pymongo.errors import ServerSelectionTimeoutError

from mongojobs.core.errors import (
    DamagedPayloadError,
    DeserializationError,
    DocumentGoneError,
    UndeclaredError,
    UnknownJobError,
    UnsavedDocumentError,
    UnstorableValueError,
)
from mongojobs.payload.calls.handler import Outline, Payloads, function_call, method_call, object_call
from mongojobs.payload.documents.references import DocumentReferences, UnsavedChangesWarning
from mongojobs.payload.values.codec import Codec
from tests.support.documents import (
    Address,
    Admin,
    Anything,
    Archived,
    Base,
    Basket,
    Coordinates,
    Country,
    Discounted,
    Elsewhere,
    Group,
    Measurement,
    Priced,
    SoftDeleted,
    Tile,
    Token,
    User,
)
from tests.support.mongod import with_database
from tests.support.payload_samples import Newsletter, Plain, Point, sample_registry

HERE = "tests.support.documents"


@pytest.fixture(autouse=True)
def connected(connection):
    """All of these tests are about documents in the database."""


@pytest.fixture
def second(mongo_uri, administrator):
    """The name of a second database, which is MongoEngine's connection ``second``."""
    name = mongo_uri.rpartition("/")[2].partition("?")[0] + "_second"
    mongoengine.connect(host=with_database(mongo_uri, name), alias="second", uuidRepresentation="standard")
    yield name
    administrator.drop_database(name)


@pytest.fixture
def codec():
    return a_codec()


@pytest.fixture
def group():
    return Group(name="writers").save()


def a_codec(**switched):
    return Codec(sample_registry(), DocumentReferences(**switched))


def as_stored(value):
    return bson.decode(bson.encode({"value": value}), CodecOptions(tz_aware=True))["value"]


def through_bson(codec, value):
    return codec.decode(as_stored(codec.encode(value, "argument 'x'")))


def a_reference(**changes):
    home = {"alias": "default", "database": Group._get_db().name, "collection": "group"}
    return {"__mj": "document", "v": {"class": f"{HERE}.Group", **home, "key": {"_id": ObjectId()}} | changes}


def in_database(document):
    return type(document)._get_db()[document._get_collection_name()].find_one({"_id": document.pk})


class TestReference:
    def test_is_small_and_reads_well(self, codec, group):
        assert codec.encode(group, "argument 'x'") == {
            "__mj": "document",
            "v": {
                "class": "tests.support.documents.Group",
                "alias": "default",
                "database": Group._get_db().name,
                "collection": "group",
                "key": {"_id": group.id},
            },
        }

    def test_gives_the_document_back(self, codec, group):
        back = through_bson(codec, group)

        assert (type(back), back.id, back.name) == (Group, group.id, "writers")

    @pytest.mark.behaviour("S67")
    def test_gives_the_new_values_of_a_document_that_was_changed_since(self, codec, group):
        stored = codec.encode(group, "argument 'x'")
        Group.objects(id=group.id).update(name="readers")

        assert codec.decode(stored).name == "readers"

    @pytest.mark.behaviour("S68")
    def test_to_a_document_that_was_deleted_since_says_so(self, codec, group):
        stored = codec.encode(group, "argument 'x'")
        group.delete()

        with pytest.raises(DocumentGoneError, match=f"Group {group.id} no longer exists"):
            codec.decode(stored)

    @pytest.mark.behaviour("S65", "X27")
    @pytest.mark.parametrize("value", [lambda group: group, lambda group: [{"g": group}], Point])
    def test_to_an_unsaved_document_is_refused(self, codec, value):
        with pytest.raises(
            UnsavedDocumentError, match=r"^argument 'x'.* is a Group that is not in the database.*save\(\)"
        ):
            codec.encode(value(Group()), "argument 'x'")

    def test_to_an_unsaved_document_with_a_key_of_its_own_is_refused(self, codec):
        with pytest.raises(UnsavedDocumentError):
            codec.encode(Country(code="nl"), "argument 'x'")

    def test_to_an_unsaved_document_whose_key_was_assigned_is_refused(self, codec):
        country = Country()
        country.code = "nl"

        with pytest.raises(UnsavedDocumentError):
            codec.encode(country, "argument 'x'")

    def test_leaves_the_deletes_of_the_app_as_they_are(self, codec):
        """With a receiver for it MongoEngine deletes the documents of a query one by one, and loads them before."""
        assert not signals.post_delete.has_receivers_for(Group)

    def test_warns_of_unsaved_changes(self, codec, group):
        group.name = "changed"
        group.active = 3

        with pytest.warns(UnsavedChangesWarning, match=r"Group .* has unsaved changes in active, name"):
            codec.encode(group, "argument 'x'")

    def test_can_be_made_strict_about_unsaved_changes(self, codec, group):
        group.name = "changed"

        with warnings.catch_warnings(action="error"), pytest.raises(UnsavedChangesWarning):
            codec.encode(group, "argument 'x'")

    def test_to_a_partly_loaded_document_gives_all_of_it(self, codec, group):
        partly = Group.objects.only("active").get(id=group.id)

        assert through_bson(codec, partly).name == "writers"

    def test_to_a_subclass_gives_the_subclass(self, codec):
        admin = Admin(name="ada", level=3).save()

        back = through_bson(codec, User.objects.get(id=admin.id))

        assert (type(back), back.level) == (Admin, 3)

    def test_to_a_document_that_became_another_subclass_gives_that(self, codec):
        user = User(name="ada").save()
        stored = codec.encode(user, "argument 'x'")
        User._get_collection().update_one({"_id": user.id}, {"$set": {"_cls": "User.Admin"}})

        assert type(codec.decode(stored)) is Admin

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Country(code="nl", name="Nederland"),
            lambda: Tile(at=Coordinates(x=1, y=2), terrain="sea"),
            lambda: Token(id=UUID(int=7)),
        ],
    )
    def test_keeps_keys_of_all_kinds(self, codec, make):
        saved = make().save()

        back = through_bson(codec, saved)

        assert back.to_mongo() == saved.to_mongo()

    def test_keeps_the_parts_of_a_compound_key_as_they_are_in_the_database(self, codec):
        tile = Tile(at=Coordinates(x=1, y=2)).save()

        assert codec.encode(tile, "argument 'x'")["v"]["key"] == {"_id": {"x": 1, "y": 2}}

    def test_holds_the_whole_object_key_of_a_sharded_collection(self, codec):
        measured = Measurement(region="eu", place=Coordinates(x=5), value=1).save()

        stored = codec.encode(measured, "argument 'x'")

        assert stored["v"]["key"] == {"_id": measured.id, "r": "eu", "p.x": 5}
        assert codec.decode(as_stored(stored)).value == 1

    def test_finds_what_a_manager_hides(self, codec):
        hidden = SoftDeleted(deleted=1).save()

        assert SoftDeleted.objects.first() is None
        assert through_bson(codec, hidden).id == hidden.id

    def test_keeps_dynamic_fields(self, codec):
        anything = Anything(colour="red").save()

        assert through_bson(codec, anything).colour == "red"

    def test_of_an_abstract_class_is_refused(self, codec):
        with pytest.raises(UnstorableValueError, match="is of the abstract class"):
            codec.encode(Base(), "argument 'x'")

    def test_of_a_class_inside_a_function_is_refused(self, codec):
        class Local(mongoengine.Document):
            pass

        with pytest.raises(UnstorableValueError, match="at the top level of a module"):
            codec.encode(Local().save(), "argument 'x'")

    def test_does_not_ask_for_a_field_that_refers_to_a_gone_document(self, codec, group):
        user = User(name="ada", group=group).save()
        group.delete()

        assert through_bson(codec, user).name == "ada"

    def test_is_read_from_the_primary(self, mongo_uri, second):
        commands = Commands()
        mongoengine.disconnect("second")
        mongoengine.connect(
            host=mongo_uri,
            alias="second",
            uuidRepresentation="standard",
            read_preference=ReadPreference.SECONDARY_PREFERRED,
            event_listeners=[commands],
        )
        thing = Elsewhere(name="a").save()
        commands.clear()

        through_bson(a_codec(), thing)

        assert thing._get_collection().read_preference == ReadPreference.SECONDARY_PREFERRED
        assert "$readPreference" not in commands[0]

    def test_to_what_does_not_fit_its_class_any_more_says_so(self, codec, group):
        stored = codec.encode(group, "argument 'x'")
        Group._get_collection().update_one({"_id": group.id}, {"$set": {"dropped_field": 1}})

        with pytest.raises(DeserializationError, match="does not fit the class"):
            codec.decode(stored)

    def test_leaves_errors_of_the_database_alone(self, codec, group):
        stored = codec.encode(group, "argument 'x'")
        mongoengine.disconnect()
        uri = with_database("mongodb://127.0.0.1:1", stored["v"]["database"])
        mongoengine.connect(host=uri, uuidRepresentation="standard", serverSelectionTimeoutMS=1)

        with pytest.raises(ServerSelectionTimeoutError):
            codec.decode(stored)


class Commands(list, monitoring.CommandListener):
    """Every ``find`` that a client sent."""

    def started(self, event):
        if event.command_name == "find":
            self.append(event.command)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


class TestOnePayload:
    @pytest.mark.behaviour("S86")
    def test_gives_one_object_for_two_references_to_one_document(self, group):
        payloads = Payloads(a_codec())
        registry = payloads.codec.registry

        job = payloads.load(payloads.dump(object_call(Newsletter(text=group, to=[group]), registry=registry)))

        assert job.target.text == group
        assert job.target.text is job.target.to[0]

    def test_loads_again_for_the_next_payload(self, group):
        payloads = Payloads(a_codec())
        stored = payloads.dump(method_call(group, "greet", (group,)))

        first, second = payloads.load(stored), payloads.load(stored)

        assert first.target is first.args[0]
        assert first.target is not second.target

    @pytest.mark.behaviour("S118", "S127")
    def test_calls_the_method_on_the_fresh_document(self, group):
        payloads = Payloads(a_codec())
        stored = payloads.dump(method_call(group, "greet", (1,), {"greeting": "bye"}))
        Group.objects(id=group.id).update(name="readers")

        assert payloads.load(as_stored(stored)).perform() == "bye readers 1"

    @pytest.mark.behaviour("S65")
    def test_refuses_an_unsaved_target(self):
        call = method_call(Group(), "update_users")

        with pytest.raises(UnsavedDocumentError, match=r"^the target is a Group that is not in the database"):
            Payloads(a_codec()).dump(call)

    @pytest.mark.behaviour("S42")
    def test_is_named_without_its_document(self, group):
        payloads = Payloads(a_codec())
        stored = payloads.dump(method_call(group, "update_users"))
        group.delete()

        assert payloads.peek(stored) == Outline("Group#update_users")

    def test_says_which_argument_is_gone(self, group):
        payloads = Payloads(a_codec())
        other = Group(name="other").save()
        stored = payloads.dump(method_call(group, "greet", (1, other)))
        other.delete()

        with pytest.raises(DocumentGoneError, match=r"^argument 2: Group"):
            payloads.load(stored)


class TestOtherDatabase:
    def test_that_the_class_declares_is_followed(self, codec, second):
        thing = Elsewhere(name="a").save()

        back = through_bson(codec, thing)
        back.name = "b"
        back.save()

        assert in_database(thing)["name"] == "b"

    def test_must_be_listed_at_enqueue(self, codec, second):
        archived = Archived(n=1).save().switch_db("second")

        with pytest.raises(UnstorableValueError, match="list it in the setting switched_databases"):
            codec.encode(archived, "argument 'x'")

    def test_must_be_listed_at_load(self, codec, second):
        archived = Archived(n=1).switch_db("second").save()
        stored = a_codec(switched_databases=[second]).encode(archived, "argument 'x'")

        with pytest.raises(DamagedPayloadError, match="list it in the setting switched_databases"):
            codec.decode(stored)

    @pytest.mark.parametrize("allowed", [lambda name: [name], lambda name: name.__eq__])
    def test_is_followed_when_listed(self, second, allowed):
        codec = a_codec(switched_databases=allowed(second))
        archived = Archived(n=1).switch_db("second").save()

        back = through_bson(codec, archived)

        assert (back.n, back._get_db().name) == (1, second)

    def test_gets_back_what_is_saved(self, connection, second):
        codec = a_codec(switched_databases=[second])
        archived = Archived(n=1).switch_db("second").save()

        back = through_bson(codec, archived)
        back.n = 2
        back.save()
        back.reload()

        assert back.n == 2
        assert connection[second].archived.find_one()["n"] == 2
        assert Archived.objects.count() == 0

    def test_loses_what_is_deleted(self, connection, second):
        codec = a_codec(switched_databases=[second])
        archived = Archived(n=1).switch_db("second").save()

        through_bson(codec, archived).delete()

        assert connection[second].archived.count_documents({}) == 0

    def test_leaves_the_class_as_it_is(self, second):
        codec = a_codec(switched_databases=[second])

        through_bson(codec, Archived(n=1).switch_db("second").save())

        assert Archived._get_db().name != second

    def test_is_not_mistaken_for_home_inside_switch_db(self, codec, second):
        home = Archived(n=1).save()
        stored = codec.encode(home, "argument 'x'")

        with switch_db(Archived, "second"):
            back = codec.decode(stored)
            back.n = 2
            back.save()

        assert in_database(home)["n"] == 2

    def test_does_not_become_home_for_classes_that_are_looked_up_inside_switch_db(self, codec, second):
        stored = codec.encode(Archived(n=1).save(), "argument 'x'")

        with switch_db(Archived, "second"), contextlib.suppress(UnknownJobError):
            codec.find_class("app.Unknown")

        assert codec.decode(stored).n == 1

    def test_of_a_document_that_was_made_inside_switch_db_is_stored(self, second):
        codec = a_codec(switched_databases=[second])

        with switch_db(Archived, "second"):
            stored = codec.encode(Archived(n=1).save(), "argument 'x'")

        assert stored["v"]["database"] == second
        assert codec.decode(stored).n == 1

    def test_that_is_not_connected_says_what_to_do(self, codec):
        with pytest.raises(UndeclaredError, match=r"'third', which this worker has not made: .*connect\(alias"):
            codec.decode(a_reference(alias="third"))

    def test_of_another_client_keeps_its_alias(self, mongo_uri, second):
        mongoengine.disconnect("second")
        mongoengine.connect(host=mongo_uri, alias="second", uuidRepresentation="standard", appname="another")
        codec = a_codec(switched_databases=lambda name: True)

        stored = codec.encode(Archived(n=1).save().switch_db("second"), "argument 'x'")

        assert stored["v"]["alias"] == "second"

    def test_two_of_one_class_do_not_mix_under_eight_threads(self, second):
        codec = a_codec(switched_databases=[second])
        homes = [Archived(n=0).save() for _ in range(4)]
        others = [Archived(n=0).switch_db("second").save() for _ in range(4)]
        references = [codec.encode(document, "argument 'x'") for document in homes + others]

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda reference: count_up(codec, reference, times=200), references))

        assert [document.reload().n for document in homes + others] == [200] * 8
        assert {document._get_db().name for document in others} == {second}
        assert Archived.objects.count() == 4

    def test_is_kept_while_another_thread_switches_the_class(self, codec, second):
        home = Archived(n=0).save()
        reference = codec.encode(home, "argument 'x'")
        switcher = Switcher()
        switcher.start()

        count_up(codec, reference, times=300)
        switcher.stop()

        assert in_database(home)["n"] == 300


def count_up(codec, reference, *, times):
    for _ in range(times):
        document = codec.decode(reference)
        document.n += 1
        document.save()


class Switcher(threading.Thread):
    """Another part of the app, which switches the class back and forth."""

    def __init__(self):
        super().__init__(name="switcher")
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.is_set():
            with switch_db(Archived, "second"):
                self._stopped.wait(0.0001)

    def stop(self):
        self._stopped.set()
        self.join()


class TestOtherCollection:
    def test_must_be_listed_at_enqueue(self, codec):
        archived = Archived(n=1).save().switch_collection("archive_2025")

        with pytest.raises(UnstorableValueError, match="list it in the setting switched_collections"):
            codec.encode(archived, "argument 'x'")

    def test_must_be_listed_at_load(self, codec):
        archived = Archived(n=1).switch_collection("archive_2025").save()
        stored = a_codec(switched_collections=["archive_2025"]).encode(archived, "argument 'x'")

        with pytest.raises(DamagedPayloadError, match="list it in the setting switched_collections"):
            codec.decode(stored)

    def test_is_followed_when_listed_and_gets_back_what_is_saved(self, connection):
        codec = a_codec(switched_collections=lambda name: name.startswith("archive_"))
        archived = Archived(n=1).switch_collection("archive_2025").save()

        back = through_bson(codec, archived)
        back.n = 2
        back.save()

        assert connection.get_default_database().archive_2025.find_one()["n"] == 2

    def test_is_known_inside_switch_collection(self):
        codec = a_codec(switched_collections=["archive_2025"])

        with switch_collection(Archived, "archive_2025"):
            stored = codec.encode(Archived(n=1).save(), "argument 'x'")

        assert stored["v"]["collection"] == "archive_2025"
        assert codec.decode(stored).n == 1


class TestOtherValues:
    def test_an_embedded_document_comes_back_by_value(self, codec):
        address = Address(street="Main", since=dt.datetime(2026, 1, 2))  # noqa: DTZ001 - as MongoEngine gives it

        back = through_bson(codec, [address])

        assert back == [address]
        assert type(back[0]) is Address

    def test_an_embedded_document_comes_back_as_its_subclass(self, codec):
        discounted = Discounted(price=Decimal("1.50"), percent=5)

        back = through_bson(codec, discounted)

        assert (type(back), back) == (Discounted, discounted)

    def test_an_embedded_document_is_readable(self, codec):
        stored = codec.encode(Address(city="Delft"), "argument 'x'")

        assert stored == {"__mj": "embedded", "v": {"class": f"{HERE}.Address", "fields": {"city": "Delft"}}}

    def test_an_embedded_document_may_hold_references_to_documents(self, codec, group):
        holder = Holding(owner=group, anything=group, lazy=group)

        back = through_bson(codec, holder)

        assert (back.owner, back.anything, back.lazy.fetch()) == (group, group, group)

    def test_an_embedded_document_that_holds_an_unsaved_one_is_refused(self, codec):
        with pytest.raises(
            UnstorableValueError, match=r"^argument 'x'\[0\] is a Holding that MongoEngine cannot store"
        ):
            codec.encode([Holding(owner=Group())], "argument 'x'")

    @pytest.mark.parametrize(
        "fields",
        [
            {
                "anything": {
                    "_cls": "Group",
                    "_ref": {"__mj": "dbref", "v": {"collection": "secrets", "id": 1, "database": None, "extra": {}}},
                }
            },
            {"owner": {"__mj": "dbref", "v": {"collection": "group", "id": 1, "database": "admin", "extra": {}}}},
            {"anything": {"_cls": "Unknown", "_ref": 1}},
            {"_cls": "Group"},
            {"unknown_field": 1},
            {"owner": {"__mj": "document"}},
            5,
        ],
    )
    def test_a_planted_embedded_document_is_refused(self, codec, fields):
        planted = {"__mj": "embedded", "v": {"class": f"{__name__}.Holding", "fields": fields}}

        with pytest.raises(DeserializationError):
            codec.decode(planted)

    def test_a_lazy_reference_comes_back_as_it_is(self, codec, group):
        lazy = LazyReference(Group, group.id, passthrough=True)

        back = through_bson(codec, lazy)

        assert (type(back), back, back.document_type, back.passthrough) == (LazyReference, lazy, Group, True)
        assert back.fetch() == group

    @pytest.mark.parametrize("database", [None, "other"])
    def test_a_dbref_comes_back_as_it_is(self, codec, group, database):
        reference = DBRef("group", group.id, database)

        back = through_bson(codec, {"ref": reference})

        assert (type(back["ref"]), back["ref"]) == (DBRef, reference)

    def test_what_a_generic_reference_holds_comes_back_as_it_is(self, codec, group):
        raw = User(anything=group).to_mongo()["anything"].to_dict()

        assert through_bson(codec, raw) == raw

    def test_a_queryset_is_refused(self, codec, group):
        with pytest.raises(UnstorableValueError, match=r"argument 'x'\[\"groups\"\] is a QuerySet.* pass the ids"):
            codec.encode({"groups": Group.objects}, "argument 'x'")

    def test_the_lists_of_a_document_are_refused(self, codec):
        basket = Basket(prices=[Priced(price=1)]).save()

        with pytest.raises(UnstorableValueError, match=r"pass list\(\.\.\.\) of it"):
            codec.encode(basket.prices, "argument 'x'")

    def test_the_nested_lists_and_dicts_of_a_document_are_refused_with_what_works(self, codec):
        Anything(cells={"a": {"b": [1]}}).save()
        found = Anything.objects.get()
        copy = {key: found.cells[key] for key in found.cells}

        with pytest.raises(UnstorableValueError, match=r"argument 'x'\[.a.\] .* document\.to_mongo\(\)\['field'\]"):
            codec.encode(copy, "argument 'x'")
        assert through_bson(codec, found.to_mongo()["cells"]) == {"a": {"b": [1]}}

    def test_a_document_class_is_a_value(self, codec):
        assert through_bson(codec, [Group]) == [Group]

    def test_a_document_in_a_set_or_as_a_key_comes_back(self, codec, group):
        assert through_bson(codec, {group: {group}}) == {group: {group}}


class Holding(mongoengine.EmbeddedDocument):
    owner = mongoengine.ReferenceField(Group)
    anything = mongoengine.GenericReferenceField()
    lazy = mongoengine.LazyReferenceField(Group)


class TestPlantedReference:
    @pytest.mark.parametrize("key", [{"$ne": None}, {"$gt": ""}, {"$exists": True}, bson.Regex(""), None])
    def test_is_matched_literally(self, codec, group, key):
        with pytest.raises(DocumentGoneError):
            codec.decode(a_reference(key={"_id": key}))

    @pytest.mark.parametrize(
        "key",
        [
            {},
            {"$where": "true"},
            {"_id": 1, "$where": "true"},
            {"_id": 1, "name": "writers"},
            {"name": "writers"},
            "text",
            [1],
            {"_id": {"__mj": "decimal", "v": "1"}},
        ],
    )
    def test_with_a_key_that_is_none_is_refused(self, codec, group, key):
        with pytest.raises(DamagedPayloadError):
            codec.decode(a_reference(key=key))

    @pytest.mark.parametrize(
        "changes",
        [
            {"collection": "user"},
            {"database": "admin"},
            {"database": "admin", "collection": "system.users"},
            {"database": ""},
            {"database": "a b"},
            {"database": 5},
            {"collection": ""},
            {"collection": "$cmd"},
            {"collection": "a\0b"},
            {"collection": ["group"]},
            {"alias": {"$ne": None}},
            {"alias": ""},
            {"extra": 1},
            {"class": f"{HERE}.Base"},
        ],
    )
    def test_into_another_place_is_refused(self, codec, changes):
        with pytest.raises(DamagedPayloadError):
            codec.decode(a_reference(**changes))

    @pytest.mark.parametrize(
        "changes", [{"database": "a b"}, {"database": "$external"}, {"collection": "system.users"}, {"collection": ""}]
    )
    def test_into_a_place_that_cannot_be_is_refused_even_if_all_are_allowed(self, changes):
        codec = a_codec(switched_databases=lambda name: True, switched_collections=lambda name: True)

        with pytest.raises(DamagedPayloadError, match="no place that can be"):
            codec.decode(a_reference(**changes))

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            *((name, UnknownJobError) for name in ("os.system", "mongoengine.document.Document", "Group")),
            *((name, DamagedPayloadError) for name in (f"{HERE}.Address", "", 5, ["x"], {"$ne": 1})),
        ],
    )
    def test_to_an_unknown_class_is_refused(self, codec, name, error):
        with pytest.raises(error):
            codec.decode(a_reference(**{"class": name}))

    @pytest.mark.parametrize("tag", ["document", "embedded", "lazyref"])
    @pytest.mark.parametrize("content", [None, {}, [], "text", {"class": f"{HERE}.Group"}])
    def test_with_other_fields_is_refused(self, codec, tag, content):
        with pytest.raises(DamagedPayloadError):
            codec.decode({"__mj": tag, "v": content})


class TestServer:
    @pytest.mark.parametrize(
        "value",
        [
            {"$secret": 1, "a.b": 2, "": 3, "$$ROOT": "$secret"},
            {"$id": 1, "$db": 2},
            {"$ref": "x"},
            "$secret",
            "$$ROOT",
        ],
    )
    def test_keeps_keys_and_texts_with_dollars_and_dots(self, codec, client, value):
        jobs = client.get_default_database().jobs

        jobs.insert_one({"_id": 1, "handler": {"args": [codec.encode(value, "argument 'x'")]}})

        assert codec.decode(jobs.find_one()["handler"]["args"][0]) == value

    @pytest.mark.parametrize("kind", [list, lambda x: (x[0],), lambda x: {1: x[0]}, lambda x: Plain(x=x[0])])
    def test_stores_what_is_nested_as_deep_as_we_allow(self, codec, client, kind):
        jobs = client.get_default_database().jobs
        value = functools.reduce(lambda inside, _: kind([inside]), range(50), 1)

        jobs.insert_one({"_id": 1, "handler": {"args": [codec.encode(value, "argument 'x'")]}})

        assert codec.decode(jobs.find_one()["handler"]["args"][0]) == value

    def test_function_with_documents_runs(self, group):
        payloads = Payloads(a_codec())
        declaration = payloads.codec.registry.find("tests.support.payload_samples.send_receipt")

        stored = payloads.dump(function_call(declaration, (group,), {"users": [group]}))

        assert payloads.load(as_stored(stored)).perform() == (group, (), 1, {"users": [group]})
