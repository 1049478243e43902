"""One-time keys: the same request under the same key has one effect and one answer."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Delete, Select, delete, insert, select

from webapp.errors import IdempotencyConflict
from webapp.models import keys
from webapp.services import clock
from webapp.services.rows import named, names_of
from webapp.services.transaction import read, write

KEPT = timedelta(hours=24)
FORGOTTEN_AT_ONCE = 1000
NO_EVENT = 0

# An event, an operation, its caller and the caller's key: what a key is unique within.
Name = tuple[int, str, str, str]
# The hash of what was asked, and what was answered.
Answered = tuple[str, dict[str, Any]]

_name = (keys.c.event_id, keys.c.operation, keys.c.caller, keys.c.key)


@dataclass(frozen=True, slots=True)
class Once:
    """A caller's one-time key for one operation, bound to the content of the request."""

    operation: str
    caller: str
    key: str
    content_hash: str

    def name_in(self, event_id: int) -> Name:
        """What the key is known as in an event."""
        return event_id, self.operation, self.caller, self.key

    def check(self, content_hash: str) -> None:
        """Raise `IdempotencyConflict` unless the key was used for this same content."""
        if content_hash != self.content_hash:
            raise IdempotencyConflict


def once(operation: str, *, caller: str, key: str, **content: object) -> Once:
    """Bind a key to an operation, its caller and what is asked."""
    canonical = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    # A caller's text is kept as a hash too: no database then takes "a " for "a".
    return Once(operation, caller, hashlib.sha256(key.encode()).hexdigest(), digest)


@cache
def _used(count: int) -> Select[Any]:
    return select(keys).where(named(_name, count))


def find(connection: Connection, names: Iterable[Name]) -> dict[Name, Answered]:
    """What was answered under those of the keys that were used before.

    Called under the locks of the events (or, where there is none yet, of the organizer).
    """
    if not (wanted := list(set(names))):
        return {}
    return {
        (row.event_id, row.operation, row.caller, row.key): (row.content_hash, row.answer)
        for row in connection.execute(_used(len(wanted)), names_of(_name, wanted))
    }


def remember(connection: Connection, answers: Mapping[Name, Answered]) -> None:
    """Keep what was answered, in the transaction of the effect."""
    at = clock.now()
    rows = [
        {
            "event_id": event_id,
            "operation": operation,
            "caller": caller,
            "key": key,
            "content_hash": content_hash,
            "answer": answer,
            "created_at": at,
        }
        for (event_id, operation, caller, key), (content_hash, answer) in answers.items()
    ]
    if rows:
        connection.execute(insert(keys), rows)


def forget_old() -> int:
    """Delete the keys of more than a day ago and say how many.

    It takes a few at a time: a statement that deletes a busy day holds up everybody else.
    """
    old = keys.c.created_at < clock.now() - KEPT
    portion = select(keys.c.created_at).where(old).order_by(keys.c.created_at)
    last_of_portion = portion.limit(1).offset(FORGOTTEN_AT_ONCE - 1)
    count = 0
    while True:
        until = read(lambda connection: connection.execute(last_of_portion).scalar())
        gone = delete(keys).where(old if until is None else keys.c.created_at <= until)
        count += write(partial(_delete, statement=gone))
        if until is None:
            return count


def _delete(connection: Connection, *, statement: Delete) -> int:
    return connection.execute(statement).rowcount
