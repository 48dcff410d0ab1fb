"""Stored jobs as an attacker would plant them, who can write to the collection and to nothing else.

`must_fail` gives handlers that are no calls of declared jobs. `VALUES` are what other serialisers would act upon; to us
they are plain values, which arrive as they are, and damage where we expect a name, a tag or a field.
"""

import base64
import os
import pickle
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bson import Code, DBRef, Int64, MaxKey, ObjectId, Regex, Timestamp

OWNED = Path(tempfile.gettempdir()) / f"mongojobs-owned-{os.getpid()}"
"""What each attack tries to make."""

COMMAND = f"touch {OWNED}"
HOME = "tests.support.sample_jobs"
BAND = "tests.support.sample_documents.Band"
MEGABYTE = "x" * 2**20


class _Gadget:
    """What runs a command as soon as it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (COMMAND,)


PICKLES = [pickle.dumps(_Gadget(), protocol=protocol) for protocol in range(6)]

VALUES: list[Any] = [
    *PICKLES,
    base64.b64encode(PICKLES[0]).decode(),
    *({"py/object": name} for name in ("os.system", "subprocess.Popen", f"{__name__}._Gadget")),
    {"py/object": "os.system", "py/newargs": {"py/tuple": [COMMAND]}},
    {"py/object": "os.system", "py/newargsex": [[COMMAND], {}], "py/initargs": [COMMAND]},
    {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [COMMAND]}, None, None, None]},
    {"py/reduce": [{"py/type": "subprocess.Popen"}, {"py/tuple": [COMMAND]}]},
    {"py/object/apply:os.system": [COMMAND]},
    *({tag: f"os/{COMMAND}"} for tag in ("py/repr", "py/function", "py/type", "py/class", "py/iterator", "py/error")),
    *({tag: "b3M="} for tag in ("py/bytes", "py/b64", "py/b85", "py/id", "py/ref", "py/seq", "py/state", "py/set")),
    f"!!python/object/apply:os.system ['{COMMAND}']",
    f"!!python/object/new:os.system ['{COMMAND}']",
    "!!python/name:os.system",
    "!!python/module:tests.support.unimported_jobs",
    "--- !ruby/object:Delayed::PerformableMethod\nobject: !ruby/class Kernel\nmethod_name: :system\n",
    *({name: "os.system"} for name in ("__class__", "__type__", "@class", "$type", "_type", "type", "class", "_cls")),
    *({name: COMMAND} for name in ("__reduce__", "__setstate__", "__init__", "__globals__", "__dict__", "__code__")),
    {"$code": f"import os; os.system('{COMMAND}')"},
    {"$where": "sleep(1000)"},
    {"$ne": None},
    {"$gt": ""},
    f"__import__('os').system('{COMMAND}')",
    f"${{{COMMAND}}}",
    f"{{{{ {COMMAND} }}}}",
    f"$({COMMAND})",
    Regex("(a+)+$"),
    Timestamp(1, 1),
    MaxKey(),
    Int64(2**62),
    ObjectId(),
    "",
    "\x00",
    MEGABYTE,
]

NAMES: list[Any] = [
    *("os.system", "os", "posix.system", "builtins.eval", "builtins.exec", "eval", "__import__", "subprocess.Popen"),
    *("tests.support.unimported_jobs.attack", "tests.support.unimported_jobs", "antigravity", "antigravity.geohash"),
    *(f"{HOME}.remember.__globals__", f"{HOME}.recorder.note", f"{HOME}.remember.__call__", f"{HOME}.", HOME),
    *("mongojobs.cli.main.main", "mongojobs.app.mongojobs.MongoJobs", "mongojobs.payload.registry.registry.add"),
    *("", ".", "..", "__class__", "__main__", "__builtins__", "os:system", "os.system()", "/bin/sh", "../etc/passwd"),
    *("os.system\x00", "\uff4f\uff53.system", MEGABYTE, "a." * 5000),
    *(None, True, 5, [], ["os.system"], {}, {"$ne": None}, {"py/function": "os.system"}, Regex("."), Code("1")),
]  # fmt: skip

TAGS: list[Any] = [
    *("os.system", "object/apply", "py/object", "pickle", "eval", "code", "function", "import", "Document", "", "__mj"),
    *(None, 5, ["tuple"], {"$ne": None}, Code("tuple")),
]


def tag(name: Any, content: Any) -> dict[str, Any]:
    """Return a value with a tag."""
    return {"__mj": name, "v": content}


def a_handler(**changes: Any) -> dict[str, Any]:
    """Return the handler of a harmless call, with *changes*."""
    return {"v": 1, "kind": "function", "target": f"{HOME}.remember", "args": [], "kwargs": {}} | changes


def a_document(**changes: Any) -> dict[str, Any]:
    """Return a reference to a document, with *changes*."""
    return tag("document", {"class": BAND, "alias": "default", "collection": "band"} | changes)


def a_method(target: Any, method: Any = "play") -> dict[str, Any]:
    """Return the handler of a method."""
    return a_handler(kind="method", target=target, method=method)


def must_fail(band: Any) -> Iterator[Any]:
    """Yield handlers that are no calls of declared jobs; *band* is a saved document, which none of them may reach."""
    document = partial(a_document, database=band._get_db().name, key={"_id": band.pk})
    yield from VALUES
    yield from ({**a_handler(), **value} for value in VALUES if isinstance(value, dict))
    for name in NAMES:
        yield a_handler(target=name)
        yield a_handler(kind=name)
        yield a_handler(kind="object", target=name)
        yield a_handler(kind="class_method", target=name, method="system")
        yield a_handler(kind="class_method", target=BAND, method=name)
        yield a_method(document(), name)
        yield a_method(document(**{"class": name}))
        yield a_method(document(alias=name))
        yield a_method(document(database=name))
        yield a_method(document(collection=name))
        for kind in ("dataclass", "object", "namedtuple", "embedded"):
            yield a_handler(args=[tag(kind, {"class": name, "fields": {"x": COMMAND}})])
        yield a_handler(args=[tag("class", name)])
        yield a_handler(args=[tag("enum", {"class": name, "name": "RED"})])
        yield a_handler(args=[tag("lazyref", {"class": name, "id": 1, "passthrough": True})])
    for name in TAGS:
        yield a_handler(args=[tag(name, COMMAND)])
        yield a_handler(kwargs={"value": tag(name, {"class": "os.system", "args": [COMMAND]})})
    for value in VALUES:
        yield a_method(document(key=value))
        yield a_method(value)
        yield a_handler(args=[tag("decimal", value)])
        yield a_handler(args=[tag("datetime", {"wall": value, "fold": 0, "zone": value})])
        yield a_handler(args=[tag("dataclass", {"class": f"{HOME}.Recipe", "fields": value})])
        yield a_handler(kind="object", target=f"{HOME}.Newsletter", kwargs={"planted": value})
    for operator in ({"$ne": None}, {"$gt": ""}, {"$exists": True}, {"$regex": "."}, {"$where": "1"}, Regex(".")):
        yield a_method(document(key={"_id": operator}))
        yield a_method(document(key={"_id": 1, "$or": [operator]}))
    for place in ({"database": "admin", "collection": "system.users"}, {"collection": "secrets"}, {"alias": "other"}):
        yield a_method(document(**place))
    for method in (
        "__class__",
        "__reduce__",
        "__init_subclass__",
        "delete",
        "drop_collection",
        "_get_collection",
        "objects",
    ):
        yield a_method(document(), method)
        yield a_handler(kind="class_method", target=BAND, method=method)
    yield a_handler(args=[DBRef("band", 1)])
    yield a_handler(args=[Code(f"import os; os.system('{COMMAND}')", {"os": 1})])
