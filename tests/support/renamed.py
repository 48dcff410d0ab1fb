"""Classes that had other names, in a module `cellar` that is gone, when jobs were stored; and what is given them."""

from typing import Any

from mongoengine import Document, EmbeddedDocument, StringField

from mongojobs import Delayable, handle_asynchronously, job, register

given: list[Any] = []


@register(aliases=("cellar.Customer", "cellar.old.Customer"))
class Patron(Delayable, Document):
    meta = {"allow_inheritance": True}

    name = StringField()

    def greet(self, word: str) -> None:
        given.append((self.name, word))

    @handle_asynchronously
    def bill(self) -> None:
        given.append(("billed", self.name))


class Benefactor(Patron):
    @handle_asynchronously
    def bill(self) -> None:
        given.append(("a benefactor pays nothing", self.name))


@register(aliases="cellar.Place")
class Lodging(EmbeddedDocument):
    meta = {"allow_inheritance": True}

    city = StringField()


@job
def visit(client: Patron, at: Any = None) -> None:
    given.append((client, at))
