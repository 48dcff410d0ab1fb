"""A small MongoEngine app: groups, their users, and the slow work that a web request should not wait for."""

import os

import mongoengine
from mongoengine import Document, IntField, ReferenceField, StringField
from mongojobs import Delayable, current_job, job

mongoengine.connect(host=os.environ["MONGODB_URI"], uuidRepresentation="standard")


class Group(Delayable, Document):
    """A group whose level is copied into each of its users."""

    name = StringField(required=True)
    level = IntField(default=1)

    def update_users(self) -> None:
        """Bring every user up to the level of the group: slow, as it writes each one."""
        for user in User.objects(group=self):
            user.level = self.level
            user.save()


class User(Document):
    """A member of a group."""

    name = StringField(required=True)
    group = ReferenceField(Group, required=True)
    level = IntField(default=0)

    meta = {"indexes": ["group"]}


@job(queue="mail", max_attempts=5, backoff=1)
def send_welcome(name: str) -> None:
    """Fail twice, as mail servers do, and then succeed."""
    running = current_job()
    if running is not None and running.attempts < 2:
        raise ConnectionError("the mail server is busy")


@job(queue="mail", retry_on=ConnectionError)
def send_to_nowhere(address: str) -> None:
    """Fail for good: another try would not help."""
    raise ValueError(f"{address} is no address")
