"""One-time keys: the same request under the same key has one effect and one answer."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, insert, select

from webapp import clock
from webapp.errors import IdempotencyConflict
from webapp.storage.composite_keys import filled_up, match_any, parameters_of
from webapp.storage.tables import used_keys
from webapp.storage.transaction import execute, read

KEPT = timedelta(hours=24)
FORGOTTEN_AT_ONCE = 1000
NO_EVENT = 0

# (event id, operation, caller, key): what a key is unique within.
KeyId = tuple[int, str, str, str]

_key_id = (used_keys.c.event_id, used_keys.c.operation, used_keys.c.caller, used_keys.c.key)


class StoredAnswer(NamedTuple):
    """What was answered under a key, and the hash of what had been asked."""

    content_hash: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's one-time key for one operation, bound to the content of the request."""

    operation: str
    caller: str
    key: str
    content_hash: str

    def for_event(self, event_id: int) -> KeyId:
        """The id under which the key is stored for an event."""
        return event_id, self.operation, self.caller, self.key

    def check(self, content_hash: str) -> None:
        """Raise `IdempotencyConflict` unless the key was used for this same content."""
        if content_hash != self.content_hash:
            raise IdempotencyConflict


def bind_key(operation: str, *, caller: str, key: str, **content: object) -> IdempotencyKey:
    """Bind a caller's key to an operation and what is asked."""
    canonical = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    # A caller's text is kept as a hash too: no database then takes "a " for "a".
    return IdempotencyKey(operation, caller, hashlib.sha256(key.encode()).hexdigest(), digest)


_insert = insert(used_keys)


@cache
def _used(count: int) -> Select[Any]:
    return select(used_keys).where(match_any(_key_id, count))


def find(connection: Connection, key_ids: Iterable[KeyId]) -> dict[KeyId, StoredAnswer]:
    """What was answered under those of the keys that were used before.

    Called under the locks of the events (or, where there is none yet, of the organizer).
    """
    if not (wanted := set(key_ids)):
        return {}
    keys = filled_up(wanted)
    return {
        (row.event_id, row.operation, row.caller, row.key): StoredAnswer(
            row.content_hash, row.answer
        )
        for row in connection.execute(_used(len(keys)), parameters_of(_key_id, keys))
    }


def remember(connection: Connection, answers: Mapping[KeyId, StoredAnswer]) -> None:
    """Store what was answered, in the transaction of the effect."""
    at = clock.now()
    rows = [
        {
            "event_id": event_id,
            "operation": operation,
            "caller": caller,
            "key": key,
            "content_hash": stored.content_hash,
            "answer": stored.answer,
            "created_at": at,
        }
        for (event_id, operation, caller, key), stored in answers.items()
    ]
    if rows:
        connection.execute(_insert, rows)


def run_once(
    connection: Connection,
    key: IdempotencyKey | None,
    event_id: int,
    work: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """What `work` answers, or what it answered when the key was used before.

    Called under the lock that the callers with this key wait for. Raises `IdempotencyConflict`.
    """
    if key is None:
        return work()
    key_id = key.for_event(event_id)
    if stored := find(connection, [key_id]).get(key_id):
        key.check(stored.content_hash)
        return stored.answer
    answer = work()
    remember(connection, {key_id: StoredAnswer(key.content_hash, answer)})
    return answer


def forget_old() -> int:
    """Delete the keys of more than a day ago and say how many.

    It takes a few at a time: a statement that deletes a busy day holds up everybody else.
    """
    old = used_keys.c.created_at < clock.now() - KEPT
    portion = select(used_keys.c.created_at).where(old).order_by(used_keys.c.created_at)
    last_of_portion = portion.limit(1).offset(FORGOTTEN_AT_ONCE - 1)
    count = 0
    while True:
        until = read(lambda connection: connection.execute(last_of_portion).scalar())
        gone = delete(used_keys).where(old if until is None else used_keys.c.created_at <= until)
        count += execute(gone)
        if until is None:
            return count
