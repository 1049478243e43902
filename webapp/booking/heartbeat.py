"""The heartbeat of the deliverer: whether questions leave and answers could come, so who may lapse.

A site that was down, or whose mails do not leave, lapses nobody: without a fresh beat no term
counts as over. After a restore mails and lapses rest until an operator has looked.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from webapp.storage.tables import heartbeats
from webapp.storage.transaction import execute, read, write

# Without a beat for so long the deliverer, and with it the site, was away.
LONGEST_SILENCE = timedelta(minutes=5)

_row: Select[Any] = select(heartbeats.c.beat_at, heartbeats.c.resting)


def is_fresh(connection: Connection, now: datetime) -> bool:
    """Whether the last beat is fresh and nothing rests: only then does anybody lapse."""
    row = connection.execute(_row).one_or_none()
    return row is not None and not row.resting and is_recent(row.beat_at, now)


def is_recent(beat_at: datetime | None, now: datetime) -> bool:
    return beat_at is not None and beat_at > now - LONGEST_SILENCE


def last_beat() -> datetime | None:
    """When a deliverer was last there. Raises `Unavailable`."""
    return read(lambda connection: connection.execute(select(heartbeats.c.beat_at)).scalar())


def is_resting() -> bool:
    """Whether mails and lapses rest after a restore. Raises `Unavailable`."""
    resting = select(heartbeats.c.resting)
    return bool(read(lambda connection: connection.execute(resting).scalar()))


def beat(now: datetime) -> None:
    """Note that a deliverer is there. Raises `Unavailable`."""
    write(lambda connection: _set(connection, beat_at=now))


def rest(connection: Connection) -> None:
    """Have mails and lapses rest, in the transaction of a restore."""
    _set(connection, beat_at=None, resting=True)


def resume() -> bool:
    """End the rest, and say whether there was one.

    The deliverer then gives open terms time, as after any absence. Raises `Unavailable`.
    """
    ended = update(heartbeats).where(heartbeats.c.resting.is_(True))
    return execute(ended.values(resting=False, beat_at=None)) > 0


def _set(connection: Connection, **values: object) -> None:
    if not connection.execute(update(heartbeats).values(**values)).rowcount:
        connection.execute(insert(heartbeats), {"id": 1, **values})
