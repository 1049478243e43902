"""Send what the delivery rows ask for: at least once, and never by two at the same time.

Any number of deliverers share the work. Whoever takes a row up moves its `next_try_at` on by the
length of a lease and counts the attempt, in one transaction; so nobody else finds it due before
that lease is over, and a row whose deliverer died becomes due again by itself. The count of
attempts is also what a late deliverer is known by: it changes nothing that another one took since.
The row of the receiver's pace is locked and written in that same transaction, so deliverers take
up work one after the other, on the nodes of a cluster as well, and keep one pace between them.

A row with a dedupe key (`once`) that turns out to have nothing to tell is kept, or its writer would
take it for missing and write it again. It is done with, so it is `sent`, but without `sent_at`.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Executable, Row, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from webapp.errors import Unavailable
from webapp.logs import operation
from webapp.models import deliveries, paces
from webapp.services import clock, idempotency
from webapp.services.transaction import Conflict, read, write

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
# No receiver takes longer over one row; a row is begun only while the lease outlasts that.
LONGEST_SEND = timedelta(seconds=75)
BATCH = 20
# Bulk goes out slowly and in small portions, so that a ticket never waits long behind it.
BULK_BATCH = 5
BULK_SHARE = 0.2
# Whatever the clocks of other machines say, nothing taken up waits longer for its turn.
LONGEST_TURN = timedelta(seconds=10)
# How long a row waits after each failure: ten seconds, doubling up to an hour, a day in all.
DELAYS = tuple(timedelta(seconds=min(10 * 2**failures, 3600)) for failures in range(32))
LOOK_SECONDS = 1.0
CHORE_SECONDS, CLEANING_SECONDS = 60.0, 3600.0
# How long nothing is sent after the receiver itself failed, doubling from the first to the last.
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0
KEPT = timedelta(days=30)
LONGEST_PROBLEM = 500


class NothingToTell(Exception):
    """What the row was to tell is no longer true; another row tells what is."""


class Refused(Exception):
    """It can never be delivered; the message is the reason, for the organizer."""


class Failed(Exception):
    """It could not be delivered now. `for_all`: nothing else could be, either."""

    def __init__(self, reason: str, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.for_all = for_all


class Receiver(Protocol):
    """One way of telling somebody; rows name it in `receiver`."""

    def send(self, delivery: Row[Any]) -> None:
        """Deliver one row within `LONGEST_SEND`. Raises `NothingToTell`, `Refused`, `Failed`."""

    def rest(self) -> None:
        """Let go of what is only worth keeping while there is more to send."""


class Portion(NamedTuple):
    """Rows to send one after the other: the first in `wait` seconds, each other after a `pause`."""

    rows: Sequence[Row[Any]]
    wait: float
    pause: float


NOTHING = Portion((), 0.0, 0.0)


@dataclass(slots=True)
class Deliverer:
    """Sends the rows of one receiver until told to stop.

    `per_second` is how many all deliverers send together, at most; of bulk it is a fifth.
    """

    name: str
    receiver: Receiver
    per_second: float = math.inf
    # Called every minute: it writes rows whose time has come.
    chore: Callable[[], None] = lambda: None
    stop: Event = field(default_factory=Event)
    _rest: float = 0.0

    def run(self) -> None:
        """Send what is due and what becomes due, until `stop` is set."""
        next_chore = next_cleaning = time.monotonic()
        while not self.stop.is_set():
            now = time.monotonic()
            try:
                if now >= next_chore:
                    next_chore = now + CHORE_SECONDS
                    self._do_chore()
                if now >= next_cleaning:
                    next_cleaning = now + CLEANING_SECONDS
                    # The one process that is always there keeps house for the others.
                    idempotency.forget_old()
                    forget_old(self.name)
                if not self.work_off():
                    self.receiver.rest()
                    self.stop.wait(LOOK_SECONDS)
            except Unavailable:
                self.stop.wait(LOOK_SECONDS)
            self.stop.wait(self._rest)
        self.receiver.rest()

    def drain(self) -> None:
        """Send what is due now and return. Raises `Unavailable`."""
        self._do_chore()
        while not self.stop.is_set() and not self._rest and self.work_off():
            pass
        self.receiver.rest()

    def _do_chore(self) -> None:
        try:
            self.chore()
        except Unavailable:
            raise
        except Exception:
            # What is due already is sent all the same.
            log.exception("a chore failed")

    def work_off(self) -> int:
        """Take up a batch of what is due, send it, and say how many rows that was."""
        lease_ends = time.monotonic() + LEASE.total_seconds()
        taken, wait, pause = take(self.name, per_second=self.per_second)
        turn = time.monotonic() + wait
        for done, delivery in enumerate(taken):
            self.stop.wait(max(0.0, turn - time.monotonic()))
            turn += pause
            too_late = time.monotonic() + LONGEST_SEND.total_seconds() > lease_ends
            if self.stop.is_set() or too_late:
                give_back(taken[done:])
                break
            failure = self._send(delivery, lease_ends)
            if failure is not None and failure.for_all:
                for left in taken[done + 1 :]:
                    _keep_trying(lease_ends, partial(_failed, left, str(failure)))
                self._rest = min(self._rest * 2 or FIRST_REST_SECONDS, LONGEST_REST_SECONDS)
                break
            self._rest = 0.0
        return len(taken)

    def _send(self, delivery: Row[Any], lease_ends: float) -> Failed | None:
        named = {"delivery": delivery.id, "about": delivery.what, "event_id": delivery.event_id}
        try:
            self.receiver.send(delivery)
        except NothingToTell:
            _keep_trying(lease_ends, partial(_leave_untold, delivery))
        except Refused as refusal:
            _keep_trying(lease_ends, partial(_park, delivery, str(refusal)))
            operation("delivery refused", **named)
        except Unavailable:
            give_back([delivery])
        except Exception as error:
            if isinstance(error, Failed):
                failure = error
            else:
                log.exception("delivery %s cannot be written", delivery.id)
                failure = Failed("It could not be written. The log has the details.")
            _keep_trying(lease_ends, partial(_failed, delivery, str(failure)))
            operation("delivery failed", **named, attempt=delivery.attempts)
            return failure
        else:
            _keep_trying(lease_ends, partial(_sent, delivery))
            operation("delivered", **named)
        return None


def take(receiver: str, *, per_second: float = math.inf) -> Portion:
    """Take up what is due, bulk only when nothing else is; each row as it is then.

    Raises `Unavailable`.
    """
    # Most looks find nothing, and a look alone takes no lock.
    if not read(lambda connection: _due(connection, receiver, limited_to=1)):
        return NOTHING

    def work(connection: Connection) -> Portion:
        turn = _turn(connection, receiver)
        now = clock.now()
        ids = _due(connection, receiver)
        if not ids:
            return NOTHING
        named = deliveries.c.id.in_(ids)
        free = named & (deliveries.c.state == "pending") & (deliveries.c.next_try_at <= now)
        leased = {"attempts": deliveries.c.attempts + 1, "next_try_at": now + LEASE}
        if connection.execute(update(deliveries).where(free).values(leased)).rowcount != len(ids):
            raise Conflict
        in_order = (
            select(deliveries).where(named).order_by(deliveries.c.created_at, deliveries.c.id)
        )
        rows = connection.execute(in_order).all()
        begin = min(max(turn, now), now + LONGEST_TURN)
        pause = timedelta(seconds=1 / (per_second * (BULK_SHARE if rows[0].bulk else 1)))
        next_turn = {"free_at": begin + len(rows) * pause}
        connection.execute(update(paces).where(paces.c.receiver == receiver).values(next_turn))
        return Portion(rows, (begin - now).total_seconds(), pause.total_seconds())

    return write(work)


def _turn(connection: Connection, receiver: str) -> datetime:
    """Lock the pace of a receiver, and say from when on something may be sent."""
    pace = select(paces.c.free_at).where(paces.c.receiver == receiver).with_for_update()
    turn: datetime | None = connection.execute(pace).scalar()
    if turn is None:
        turn = clock.now()
        try:
            connection.execute(insert(paces), {"receiver": receiver, "free_at": turn})
        except IntegrityError as error:
            raise Conflict from error
    return turn


def _due(connection: Connection, receiver: str, *, limited_to: int | None = None) -> Sequence[int]:
    for bulk, limit in ((False, BATCH), (True, BULK_BATCH)):
        query = (
            select(deliveries.c.id)
            .where(
                deliveries.c.receiver == receiver,
                deliveries.c.state == "pending",
                # IS FALSE would keep MySQL from reading the rows in the order of the index.
                deliveries.c.bulk == literal(bulk),
                deliveries.c.next_try_at <= clock.now(),
            )
            .order_by(deliveries.c.next_try_at)
            .limit(limited_to or limit)
        )
        ids = connection.execute(query).scalars().all()
        if ids:
            return ids
    return []


def give_back(taken: Iterable[Row[Any]]) -> None:
    """Let somebody else take these rows at once, as if they had not been taken."""
    for delivery in taken:
        _change(delivery, attempts=delivery.attempts - 1, next_try_at=clock.now())


def _sent(delivery: Row[Any]) -> None:
    _change(delivery, state="sent", sent_at=clock.now(), problem=None)


def _park(delivery: Row[Any], reason: str) -> None:
    _change(delivery, state="parked", problem=reason[:LONGEST_PROBLEM])


def _failed(delivery: Row[Any], reason: str) -> None:
    if delivery.attempts > len(DELAYS):
        _park(delivery, reason)
        return
    delay = DELAYS[delivery.attempts - 1] * random.uniform(0.9, 1.1)
    _change(delivery, next_try_at=clock.now() + delay, problem=reason[:LONGEST_PROBLEM])


def _leave_untold(delivery: Row[Any]) -> None:
    if delivery.once is None:
        write(partial(_execute, statement=delete(deliveries).where(*_held(delivery))))
    else:
        _change(delivery, state="sent", problem=None)


def _change(delivery: Row[Any], **values: object) -> None:
    write(partial(_execute, statement=update(deliveries).where(*_held(delivery)).values(**values)))


def _execute(connection: Connection, *, statement: Executable) -> None:
    connection.execute(statement)


def _held(delivery: Row[Any]) -> tuple[Any, ...]:
    """That a row is still as the one who took it left it."""
    return (
        deliveries.c.id == delivery.id,
        deliveries.c.state == "pending",
        deliveries.c.attempts == delivery.attempts,
    )


def _keep_trying(lease_ends: float, note: Callable[[], None]) -> None:
    """Write down what became of a row, even if the database is away for a while.

    Past the lease another deliverer may have the row, and what is not noted is sent again.
    """
    while True:
        try:
            note()
            return
        except Unavailable:
            if time.monotonic() > lease_ends:
                raise
            time.sleep(LOOK_SECONDS)


def forget_old(receiver: str) -> None:
    """Delete what was sent long ago, with the addresses in it, a little at a time."""
    # That an event was sold out would else be told again.
    old = (
        select(deliveries.c.id)
        .where(
            deliveries.c.receiver == receiver,
            deliveries.c.state == "sent",
            deliveries.c.bulk.in_((False, True)),
            deliveries.c.next_try_at < clock.now() - KEPT,
            deliveries.c.what != "sold_out",
        )
        .limit(1000)
    )
    while ids := read(lambda connection: connection.execute(old).scalars().all()):
        gone = delete(deliveries).where(deliveries.c.id.in_(ids))
        write(partial(_execute, statement=gone))
