"""Sample documents: the seed's ``Group`` and its users, and one class for each thing MongoEngine can do to a key."""

from typing import Any

from mongoengine import (
    DateTimeField,
    DecimalField,
    Document,
    DynamicDocument,
    EmbeddedDocument,
    EmbeddedDocumentField,
    GenericReferenceField,
    IntField,
    LazyReferenceField,
    ListField,
    ReferenceField,
    StringField,
    UUIDField,
    queryset_manager,
)


class Address(EmbeddedDocument):
    street = StringField()
    city = StringField()
    since = DateTimeField()


class Priced(EmbeddedDocument):
    meta = {"allow_inheritance": True}

    price = DecimalField(precision=2)


class Discounted(Priced):
    percent = IntField()


class Group(Document):
    name = StringField()
    active = IntField(default=0)

    def update_users(self, status: str = "updated") -> int:
        """What the seed delays: tell all users of the group."""
        return int(User.objects(group=self).update(status=status))

    def rename(self, name: str) -> None:
        self.name = name
        self.save()

    def greet(self, *others: Any, greeting: str = "hello") -> str:
        return " ".join([greeting, self.name, *map(str, others)])

    def _quietly(self) -> str:
        return f"{self.name}, quietly"

    async def notify(self) -> str:
        return f"told {self.name}"

    @classmethod
    def rebuild(cls, depth: int = 1) -> str:
        return f"{cls.__name__} rebuilt {depth} deep"

    @staticmethod
    def version() -> str:
        return "1"


class User(Document):
    meta = {"allow_inheritance": True}

    name = StringField()
    status = StringField()
    age = IntField()
    group = ReferenceField(Group)
    address = EmbeddedDocumentField(Address)
    favourite = LazyReferenceField(Group)
    anything = GenericReferenceField()


class Admin(User):
    level = IntField(default=1)


class Base(Document):
    meta = {"abstract": True}

    @classmethod
    def count_all(cls) -> str:
        return cls.__name__


class Archived(Document):
    """One class that tests keep in several databases and collections."""

    n = IntField(default=0)


class SoftDeleted(Document):
    deleted = IntField(default=0)

    @queryset_manager  # type: ignore[untyped-decorator]  # MongoEngine has no types
    def objects(self, queryset: Any) -> Any:
        return queryset.filter(deleted=0)


class Country(Document):
    code = StringField(primary_key=True)
    name = StringField()


class Coordinates(EmbeddedDocument):
    x = IntField()
    y = IntField()


class Tile(Document):
    at = EmbeddedDocumentField(Coordinates, primary_key=True)
    terrain = StringField()


class Token(Document):
    id = UUIDField(primary_key=True)


class Measurement(Document):
    meta = {"shard_key": ("region", "place.x")}

    region = StringField(db_field="r")
    place = EmbeddedDocumentField(Coordinates, db_field="p")
    value = IntField()


class Elsewhere(Document):
    meta = {"db_alias": "second", "collection": "things"}

    name = StringField()


class Anything(DynamicDocument):
    pass


class Basket(Document):
    prices = ListField(EmbeddedDocumentField(Priced))
