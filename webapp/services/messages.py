"""What an organizer writes to the attendees of an event, and what became of each mail of it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    Select,
    String,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from webapp.logs import operation
from webapp.models import bookings, deliveries, events, messages, opt_outs, organizers
from webapp.services import clock, idempotency, record
from webapp.services.access import check_own, lock_own_event
from webapp.services.delivery import NothingToTell
from webapp.services.idempotency import Once
from webapp.services.outbox import MAIL, enqueue
from webapp.services.transaction import new_id, read, write

PAGE = 50


class Audience(StrEnum):
    """Whom a message is for."""

    ALL = "all"
    CONFIRMED = "confirmed"
    WAITING = "waiting"


class Progress(NamedTuple):
    """How far a message has got, in mails."""

    sent: int
    pending: int
    parked: int

    @property
    def total(self) -> int:
        return sum(self)


def count_recipients(event: Row[Any], audience: Audience, *, organizer_id: int) -> int:
    """How many people a message would reach now: each address once, whatever it booked.

    Raises `EventNotFound`.
    """
    check_own(event, organizer_id=organizer_id)
    query = select(func.count()).select_from(_people(event.id, audience, organizer_id).subquery())
    return int(read(lambda connection: connection.execute(query).scalar_one()))


def send_message(
    event_id: int,
    *,
    audience: Audience,
    subject: str,
    text: str,
    organizer_id: int,
    once: Once | None = None,
) -> int:
    """Have a message sent, and return its id; the same form again is the same message.

    Raises `EventNotFound`, `IdempotencyConflict`, `Unavailable`.
    """

    def work(connection: Connection) -> int:
        lock_own_event(connection, event_id, organizer_id=organizer_id)
        if once:
            name_of_key = once.name_in(event_id)
            if answered := idempotency.find(connection, [name_of_key]).get(name_of_key):
                once.check(answered[0])
                return int(answered[1]["message_id"])
        now = clock.now()
        values = {
            "event_id": event_id,
            "audience": audience,
            "subject": subject,
            "text": text,
            "created_at": now,
        }
        message_id = new_id(connection.execute(insert(messages), values))
        people = _people(event_id, audience, organizer_id).subquery()
        enqueue(
            connection,
            "message",
            recipient=people.c.email,
            event_id=event_id,
            position=people.c.position,
            details={"message_id": message_id},
            bulk=True,
            once=literal(f"message:{message_id}:") + cast(people.c.position, String(20)),
            now=now,
        )
        if once:
            answer = {"message_id": message_id}
            idempotency.remember(connection, {name_of_key: (once.content_hash, answer)})
        return message_id

    message_id = write(work)
    operation("message", event_id=event_id, message=message_id, actor=f"organizer:{organizer_id}")
    return message_id


class Addressed(NamedTuple):
    """A message on its way to somebody: with its event, a booking, and where answers go."""

    message: Row[Any]
    event: Row[Any]
    booking: Row[Any]
    reply_to: str | None


def message_of(delivery: Row[Any]) -> Addressed:
    """What a delivery of a message is about.

    Raises `NothingToTell` when the recipient has no booking any more, or wants no messages.
    """
    # The release before wrote no details.
    details = delivery.details or {"message_id": int(delivery.once.split(":")[1])}
    message = select(messages).where(messages.c.id == details["message_id"])
    event = select(events).where(events.c.id == delivery.event_id)
    booking = (
        select(bookings)
        .where(
            bookings.c.event_id == delivery.event_id,
            bookings.c.email == delivery.recipient,
            bookings.c.active == 1,
        )
        .order_by(bookings.c.position)
        .limit(1)
    )
    owner = events.c.organizer_id
    reply_to = select(organizers.c.email).join(events, owner == organizers.c.id)
    wants_none = select(opt_outs.c.recipient).join(events, owner == opt_outs.c.organizer_id)

    def work(connection: Connection) -> Addressed:
        here = events.c.id == delivery.event_id
        of_recipient = opt_outs.c.recipient == delivery.recipient
        found = connection.execute(booking).one_or_none()
        if found is None or connection.execute(wants_none.where(here, of_recipient)).first():
            raise NothingToTell
        return Addressed(
            connection.execute(message).one(),
            connection.execute(event).one(),
            found,
            connection.execute(reply_to.where(here)).scalar_one(),
        )

    return read(work)


def messages_of(
    event: Row[Any], *, organizer_id: int, limit: int = 10
) -> list[tuple[Row[Any], Progress]]:
    """The latest messages of an event, newest first, each with its progress.

    Raises `EventNotFound`.
    """
    check_own(event, organizer_id=organizer_id)
    query = select(messages).where(messages.c.event_id == event.id)
    latest = query.order_by(messages.c.id.desc()).limit(limit)

    def work(connection: Connection) -> list[tuple[Row[Any], Progress]]:
        rows = connection.execute(latest).all()
        return [(row, _progress(connection, row.id)) for row in rows]

    return read(work)


def _progress(connection: Connection, message_id: int) -> Progress:
    # SQLite reads all keys for a LIKE; the semicolon comes right after the colon.
    prefix = f"message:{message_id}"
    query = (
        select(deliveries.c.state, func.count())
        .where(
            deliveries.c.once > f"{prefix}:",
            deliveries.c.once < f"{prefix};",
            # Who had no booking any more at that moment was not told, and is not counted.
            or_(deliveries.c.state != "sent", deliveries.c.sent_at.is_not(None)),
        )
        .group_by(deliveries.c.state)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return Progress(counts.get("sent", 0), counts.get("pending", 0), counts.get("parked", 0))


def parked(
    event: Row[Any], *, organizer_id: int, after: int = 0, limit: int = PAGE
) -> Sequence[Row[Any]]:
    """The deliveries of an event that were given up, in order from behind the id `after`.

    Raises `EventNotFound`.
    """
    check_own(event, organizer_id=organizer_id)
    query = (
        select(deliveries)
        .where(
            deliveries.c.receiver == MAIL,
            deliveries.c.state == "parked",
            deliveries.c.bulk.in_((False, True)),
            deliveries.c.event_id == event.id,
            deliveries.c.id > after,
        )
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return read(lambda connection: connection.execute(query).all())


def with_parked(found: Iterable[Row[Any]], *, organizer_id: int) -> set[int]:
    """The ids of those events of which some delivery was given up. Raises `EventNotFound`."""
    event_ids = [check_own(event, organizer_id=organizer_id).id for event in found]
    # One probe of the index for each event; as a condition, MySQL may read all deliveries instead.
    one = (
        select(deliveries.c.id)
        .where(deliveries.c.event_id == events.c.id, deliveries.c.state == "parked")
        .limit(1)
        .scalar_subquery()
    )
    query = select(events.c.id, one).where(events.c.id.in_(event_ids))
    rows = read(lambda connection: connection.execute(query).all())
    return {event_id for event_id, parked_id in rows if parked_id is not None}


def resend(event_id: int, delivery_id: int, *, organizer_id: int) -> bool:
    """Try a parked delivery of an event again; say whether there was one.

    Raises `EventNotFound`.
    """
    again: Mapping[str, Any] = {
        "state": "pending",
        "attempts": 0,
        "next_try_at": clock.now(),
        "problem": None,
    }
    change = (
        update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.event_id == event_id,
            deliveries.c.state == "parked",
        )
        .values(**again)
    )

    def work(connection: Connection) -> bool:
        lock_own_event(connection, event_id, organizer_id=organizer_id)
        return connection.execute(change).rowcount > 0

    return write(work)


def mail_again(event_id: int, position: int, *, organizer_id: int) -> bool:
    """Mail a booking's link once more, as a mail of its own; say whether it has an address.

    Raises `EventNotFound`.
    """
    query = select(bookings.c.status).where(
        bookings.c.event_id == event_id,
        bookings.c.position == position,
        bookings.c.email.is_not(None),
    )

    def work(connection: Connection) -> bool:
        lock_own_event(connection, event_id, organizer_id=organizer_id)
        status = connection.execute(query).scalar()
        if status is not None:
            here = (bookings.c.event_id == event_id, bookings.c.position == position)
            record.tell(connection, status, *here, now=clock.now())
        return status is not None

    return write(work)


def stop_messages(reference: str) -> bool:
    """Send the address of a booking no more messages of its organizer; say if there is one."""
    query = (
        select(events.c.organizer_id, bookings.c.email)
        .join(bookings, bookings.c.event_id == events.c.id)
        .where(bookings.c.reference == reference, bookings.c.email.is_not(None))
    )
    row = read(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        return False
    values = {
        "organizer_id": row.organizer_id,
        "recipient": row.email,
        "created_at": clock.now(),
    }
    # They may have said so before.
    with suppress(IntegrityError):
        write(partial(_insert_opt_out, values=values))
    return True


def _insert_opt_out(connection: Connection, *, values: Mapping[str, Any]) -> None:
    connection.execute(insert(opt_outs), values)


def _people(event_id: int, audience: Audience, organizer_id: int) -> Select[Any]:
    """Each address of an audience once, with its first booking."""
    wants_none = select(opt_outs.c.recipient).where(
        opt_outs.c.organizer_id == organizer_id, opt_outs.c.recipient == bookings.c.email
    )
    query = select(bookings.c.email, func.min(bookings.c.position).label("position")).where(
        bookings.c.event_id == event_id,
        bookings.c.email.is_not(None),
        bookings.c.active == 1,
        ~wants_none.exists(),
    )
    if audience is not Audience.ALL:
        query = query.where(bookings.c.status == audience.value)
    return query.group_by(bookings.c.email)
