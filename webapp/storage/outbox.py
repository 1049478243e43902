"""The outbox: rows of `delivery`, each something to send, written in the transaction it tells of.

Deliverers take rows by leases: `next_try_at` is moved past the end of the lease and `attempts` is
counted up, in one transaction. Nobody else finds the row due before then, and a row whose deliverer
died becomes due again by itself. `attempts` is also the fencing token of the lease: a deliverer
whose lease ran out changes nothing that another one holds since. Delivery is at least once.
The channel's row of `pace` is locked in the same transaction, so deliverers lease one after the
other, on the nodes of a cluster as well, and share one pace.
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Update,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from webapp import clock
from webapp.storage.columns import UtcDateTime
from webapp.storage.plain import plain
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import deliveries, paces
from webapp.storage.transaction import Conflict, execute, read, write

# The only channel so far.
MAIL = "mail"
LEASE_TIME = timedelta(minutes=3)
BATCH = 20
# Bulk goes out slowly and in small batches, so that a ticket never waits long behind it.
BULK_BATCH = 5
BULK_SHARE = 0.2
# Whatever the clocks of other machines say, no leased row waits longer for its turn.
LONGEST_TURN = timedelta(seconds=10)
# How long a row waits after each failure: ten seconds, doubling up to an hour, a day in all.
DELAYS = tuple(timedelta(seconds=min(10 * 2**failures, 3600)) for failures in range(32))
KEPT = timedelta(days=30)
# Kinds of which a row that was forgotten would be missed, and written again.
TOLD_ONCE = ("sold_out", "free_now")
LONGEST_PROBLEM = 500
FORGOTTEN_AT_ONCE = 1000

# The same for all rows, or a column of another table.
Value = ColumnElement[Any] | Mapping[str, Any] | str | int | None

# What each row begins with, unless its writer says otherwise.
NEW: Mapping[str, Value] = {"channel": MAIL, "bulk": False, "state": "pending", "attempts": 0}

# What else is done in the transaction in which a row changes, before that. It takes the locks that
# come before those of deliveries.
Step = Callable[[Connection], object]

_insert = insert(deliveries)
_now = bindparam("now", type_=UtcDateTime)

_marking_sent = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(bindparam("of_all", expanding=True)),
        deliveries.c.state == "pending",
        deliveries.c.attempts == bindparam("tries"),
    )
    .values(state="sent", sent_at=_now, problem=None)
)

# Rows as `DeliveryRow`: under the names that the columns have in Python.
whole_rows = select(*[column.label(column.key) for column in deliveries.c])

# What a look asks: made once, for to put them together takes as long as to run them.
_next = (
    select(deliveries.c.id)
    .where(
        deliveries.c.channel == bindparam("of"),
        deliveries.c.state == "pending",
        # IS FALSE would keep MySQL from reading the rows in the order of the index.
        deliveries.c.bulk == bindparam("in_bulk"),
        deliveries.c.next_try_at <= _now,
    )
    .order_by(deliveries.c.next_try_at)
    .limit(bindparam("most"))
)
_of_all = deliveries.c.id.in_(bindparam("of_all", expanding=True))
_leasing = (
    update(deliveries)
    .where(_of_all, deliveries.c.state == "pending", deliveries.c.next_try_at <= _now)
    .values(
        attempts=deliveries.c.attempts + 1,
        next_try_at=bindparam("lease_ends", type_=UtcDateTime),
    )
)
_leased = whole_rows.where(_of_all).order_by(deliveries.c.created_at, deliveries.c.id)
_pace = select(paces.c.free_at).where(paces.c.channel == bindparam("of")).with_for_update()
_setting_pace = (
    update(paces)
    .where(paces.c.channel == bindparam("of"))
    .values(free_at=bindparam("next_turn", type_=UtcDateTime))
)


class Lease(NamedTuple):
    """Rows to send in order: the first in `wait` seconds, each other `pause` seconds later."""

    rows: Sequence[DeliveryRow]
    wait: float
    pause: float


NOTHING = Lease((), 0.0, 0.0)


def enqueue(
    connection: Connection,
    kind: str,
    *where: ColumnElement[bool],
    now: datetime,
    in_order_of: Sequence[ColumnElement[Any]] = (),
    **columns: Value,
) -> None:
    """Write rows to be sent from `now` on, as `entries` says. Those of an event under its lock."""
    statement = entries(*where, in_order_of=in_order_of, what=kind, **columns)
    connection.execute(statement, {"now": now})


def entries(
    *where: ColumnElement[bool], in_order_of: Sequence[ColumnElement[Any]] = (), **columns: Value
) -> Insert:
    """The statement that writes rows to be sent from a moment on, which it takes as `now`.

    It names at least `what` and `recipient`. `details` is what the sender needs besides, `network`
    the one from which a stranger causes it. A value may be a column of another table: then there is
    a row for each row of that table that meets `where`, written (and so sent) `in_order_of` its
    columns.
    """
    row = {**NEW, "next_try_at": _now, "created_at": _now, **columns}
    values = [
        value if isinstance(value, ColumnElement) else literal(value, deliveries.c[name].type)
        for name, value in row.items()
    ]
    source = select(*values).where(*where).order_by(*in_order_of)
    return insert(deliveries).from_select(list(row), source)


def enqueue_rows(
    connection: Connection, rows: Iterable[Mapping[str, Value]], *, now: datetime
) -> None:
    """Write rows of which every value is known, all with the same columns, in their order."""
    times = {"next_try_at": now, "created_at": now}
    connection.execute(_insert, [{**NEW, **times, **row} for row in rows])


def readdress(connection: Connection, event_id: int, position: int, *, old: str, new: str) -> None:
    """Send to another address what is still to be sent about a booking, also what was given up."""
    unsent = update(deliveries).where(*_unsent(event_id, position, old))
    connection.execute(unsent.values(recipient=new))


def hand_on(
    connection: Connection,
    event_id: int,
    position: int,
    *,
    old: str,
    new: str,
    kinds: Collection[str],
    keep: Collection[str],
) -> None:
    """Of what is still to be sent to an address about a booking, send `kinds` to another one.

    Of the rest only `keep` is sent, to the old address.
    """
    unsent = _unsent(event_id, position, old)
    kind = deliveries.c.what
    connection.execute(update(deliveries).where(*unsent, kind.in_(kinds)).values(recipient=new))
    connection.execute(delete(deliveries).where(*unsent, kind.not_in([*kinds, *keep])))


def _unsent(event_id: int, position: int, recipient: str) -> tuple[ColumnElement[bool], ...]:
    return (
        deliveries.c.event_id == event_id,
        deliveries.c.position == position,
        deliveries.c.recipient == recipient,
        deliveries.c.state != "sent",
    )


def lease(channel: str, *, per_second: float = math.inf) -> Lease:
    """Lease the rows of a channel that are due, at most a batch; bulk only when nothing else is.

    `per_second` is the pace of all deliverers together. Raises `Unavailable`.
    """
    # Most looks find nothing, and a look alone takes no lock.
    if not read(lambda connection: _due(connection, channel, limited_to=1)):
        return NOTHING

    def work(connection: Connection) -> Lease:
        free_at = _lock_pace(connection, channel)
        now = clock.now()
        ids = _due(connection, channel)
        if not ids:
            return NOTHING
        given = {"of_all": ids, "now": now, "lease_ends": now + LEASE_TIME}
        if connection.execute(_leasing, given).rowcount != len(ids):
            raise Conflict
        rows: list[DeliveryRow] = plain(connection.execute(_leased, {"of_all": ids}))
        begin = min(max(free_at, now), now + LONGEST_TURN)
        pause = timedelta(seconds=1 / (per_second * (BULK_SHARE if rows[0].bulk else 1)))
        next_turn = {"of": channel, "next_turn": begin + len(rows) * pause}
        connection.execute(_setting_pace, next_turn)
        return Lease(rows, (begin - now).total_seconds(), pause.total_seconds())

    return write(work)


def _lock_pace(connection: Connection, channel: str) -> datetime:
    """Lock the pace of a channel and return from when on something may be sent."""
    free_at: datetime | None = connection.execute(_pace, {"of": channel}).scalar()
    if free_at is None:
        free_at = clock.now()
        try:
            connection.execute(insert(paces), {"channel": channel, "free_at": free_at})
        except IntegrityError as error:
            raise Conflict from error
    return free_at


def _due(connection: Connection, channel: str, *, limited_to: int | None = None) -> Sequence[int]:
    """The ids of the next rows to lease."""
    for bulk, limit in ((False, BATCH), (True, BULK_BATCH)):
        given = {"of": channel, "in_bulk": bulk, "now": clock.now(), "most": limited_to or limit}
        ids = connection.execute(_next, given).scalars().all()
        if ids:
            return ids
    return []


def give_back(leased: Iterable[DeliveryRow]) -> None:
    """End the lease of rows that were not tried: they are due at once."""
    for delivery in leased:
        postpone(delivery, clock.now())


def postpone(delivery: DeliveryRow, until: datetime) -> None:
    """End the lease of a row that was not tried: it is due at a moment."""
    _change(delivery, attempts=delivery.attempts - 1, next_try_at=until)


def mark_sent(delivery: DeliveryRow, step: Step | None = None) -> None:
    """Note that a row was sent; `step` is done first, in the same transaction."""
    _change(delivery, step, state="sent", sent_at=clock.now(), problem=None)


def mark_all_sent(sent: Iterable[DeliveryRow]) -> None:
    """Note that rows were sent, all in one transaction."""
    ids: dict[int, list[int]] = {}
    for delivery in sent:
        ids.setdefault(delivery.attempts, []).append(delivery.id)

    def work(connection: Connection) -> None:
        for attempts, of_all in ids.items():
            given = {"of_all": of_all, "tries": attempts, "now": clock.now()}
            connection.execute(_marking_sent, given)

    if ids:
        write(work)


def park(delivery: DeliveryRow, reason: str, step: Step | None = None) -> None:
    """Give a row up, until somebody has it sent again; `step` is done first."""
    _change(delivery, step, state="parked", problem=reason[:LONGEST_PROBLEM])


def sum_up(connection: Connection, delivery: DeliveryRow, summary_id: int, now: datetime) -> bool:
    """Be done with a row that another one tells as well; whether it was still leased."""
    values = {"state": "sent", "summary_id": summary_id, "next_try_at": now, "problem": None}
    change = update(deliveries).where(*_still_leased(delivery)).values(values)
    return connection.execute(change).rowcount > 0


def retry_later(delivery: DeliveryRow, reason: str, step: Step | None = None) -> None:
    """Have a row tried again after the next of `DELAYS`; park it after the last, `step` first."""
    if delivery.attempts > len(DELAYS):
        park(delivery, reason, step)
        return
    delay = DELAYS[delivery.attempts - 1] * random.uniform(0.9, 1.1)
    _change(delivery, next_try_at=clock.now() + delay, problem=reason[:LONGEST_PROBLEM])


def drop(delivery: DeliveryRow) -> None:
    """Be done with a row that turned out to have nothing to tell.

    One with a dedupe key is kept, or its writer would take it for missing and write it again. It
    is `sent` without `sent_at`.
    """
    if delivery.dedupe_key is None:
        execute(delete(deliveries).where(*_still_leased(delivery)))
    else:
        _change(delivery, state="sent", problem=None)


def forget_old(channel: str) -> None:
    """Delete what was sent `KEPT` ago, with the addresses in it, a little at a time."""
    old = (
        select(deliveries.c.id)
        .where(
            deliveries.c.channel == channel,
            deliveries.c.state == "sent",
            deliveries.c.bulk.in_((False, True)),
            deliveries.c.next_try_at < clock.now() - KEPT,
            deliveries.c.what.not_in(TOLD_ONCE),
        )
        .limit(FORGOTTEN_AT_ONCE)
    )
    while ids := read(lambda connection: connection.execute(old).scalars().all()):
        execute(delete(deliveries).where(deliveries.c.id.in_(ids)))


def _change(delivery: DeliveryRow, step: Step | None = None, **values: object) -> None:
    changed = {f"new_{name}": value for name, value in values.items()}
    given = {"of": delivery.id, "tries": delivery.attempts, **changed}

    def work(connection: Connection) -> None:
        if step is not None:
            step(connection)
        connection.execute(_changing(*values), given)

    write(work)


@cache
def _changing(*names: str) -> Update:
    """The statement that changes columns of a leased row: made once, as each mail needs it."""
    leased = (
        deliveries.c.id == bindparam("of"),
        deliveries.c.state == "pending",
        deliveries.c.attempts == bindparam("tries"),
    )
    changed = {name: bindparam(f"new_{name}", type_=deliveries.c[name].type) for name in names}
    return update(deliveries).where(*leased).values(changed)


def _still_leased(delivery: DeliveryRow) -> tuple[ColumnElement[bool], ...]:
    """Whether nobody else has leased the row since."""
    return (
        deliveries.c.id == delivery.id,
        deliveries.c.state == "pending",
        deliveries.c.attempts == delivery.attempts,
    )
