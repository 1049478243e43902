"""What an organizer writes to the attendees of an event, and what became of each mail of it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, cast

from sqlalchemy import (
    Connection,
    String,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast

from webapp import clock
from webapp.booking.access import check_own, lock_own_event
from webapp.booking.commands import Actor, TermKind
from webapp.booking.open_questions import may_have_asked
from webapp.booking.save_mails import enqueue_mail
from webapp.booking.terms import QUESTIONS
from webapp.logs import log_event
from webapp.mail.audiences import Audience, end_of, invited_to, people_of
from webapp.mail.failures import NothingToSend
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.outbox import MAIL, enqueue, whole_rows
from webapp.storage.rows import BookingRow, DeliveryRow, EventRow, LockedEvent, MessageRow
from webapp.storage.tables import (
    bookings,
    deliveries,
    events,
    heartbeats,
    messages,
    opt_outs,
    organizers,
    terms,
)
from webapp.storage.transaction import new_id, read, write

PAGE = 50
RECENT = 10


class Progress(NamedTuple):
    """How far a message has got, in mails."""

    sent: int
    pending: int
    parked: int

    @property
    def total(self) -> int:
        return sum(self)


def count_recipients(event: EventRow, audience: Audience, *, actor: Actor) -> int:
    """How many people a message would reach now: each address once, whatever it booked.

    Raises `EventNotFound`.
    """
    check_own(event, actor)
    people = people_of(event, audience).subquery()
    query = select(func.count()).select_from(people)
    return int(read(lambda connection: connection.execute(query).scalar_one()))


def send_message(
    event_id: int,
    *,
    audience: Audience,
    subject: str,
    text: str,
    actor: Actor,
    key: IdempotencyKey | None = None,
) -> int:
    """Have a message sent, and return its id; the same form again is the same message.

    Raises `EventNotFound`, `IdempotencyConflict`, `Unavailable`.
    """

    def work(connection: Connection) -> int:
        event = lock_own_event(connection, event_id, actor)
        answer = idempotency.run_once(connection, key, event_id, lambda: send(connection, event))
        return int(answer["message_id"])

    def send(connection: Connection, event: LockedEvent) -> dict[str, int]:
        now = clock.now()
        values = {
            "event_id": event_id,
            "audience": audience,
            "subject": subject,
            "text": text,
            "created_at": now,
        }
        message_id = new_id(connection.execute(insert(messages), values))
        people = people_of(event, audience).subquery()
        enqueue(
            connection,
            "message",
            recipient=people.c.email,
            event_id=event_id,
            position=people.c.position,
            details={"message_id": message_id},
            bulk=True,
            dedupe_key=literal(f"message:{message_id}:") + sql_cast(people.c.position, String(20)),
            now=now,
        )
        return {"message_id": message_id}

    message_id = write(work)
    log_event("message", event_id=event_id, message=message_id, actor=actor)
    return message_id


class Announcement(NamedTuple):
    """A message for one recipient: its event, their first booking, and where answers go."""

    message: MessageRow
    event: EventRow
    booking: BookingRow
    reply_to: str | None


def announcement_for(delivery: DeliveryRow) -> Announcement:
    """What a delivery of a message is about.

    Raises `NothingToSend` when the recipient has no booking any more, or wants no messages; also
    for what was written before the event was cancelled.
    """
    # The release before wrote no details.
    details = delivery.details or {"message_id": int((delivery.dedupe_key or "").split(":")[1])}
    message = select(messages).where(messages.c.id == details["message_id"])
    event = select(events).where(events.c.id == delivery.event_id)
    of_recipient = select(bookings).where(bookings.c.email == delivery.recipient)
    owner = events.c.organizer_id
    reply_to = select(organizers.c.email).join(events, owner == organizers.c.id)
    wants_none = select(opt_outs.c.recipient).join(events, owner == opt_outs.c.organizer_id)

    def work(connection: Connection) -> Announcement:
        here = events.c.id == delivery.event_id
        is_theirs = opt_outs.c.recipient == delivery.recipient
        about = connection.execute(event).one_or_none()
        if about is None:
            raise NothingToSend
        written = connection.execute(message).one()
        if about.status == "cancelled" and written.created_at < end_of(connection, about):
            raise NothingToSend
        booking = of_recipient.where(*invited_to(about)).order_by(bookings.c.position).limit(1)
        found = connection.execute(booking).one_or_none()
        if found is None or connection.execute(wants_none.where(here, is_theirs)).first():
            raise NothingToSend
        return Announcement(
            written,
            about,
            found,
            connection.execute(reply_to.where(here)).scalar_one(),
        )

    return read(work)


def recent_announcements(event: EventRow, *, actor: Actor) -> list[tuple[MessageRow, Progress]]:
    """The latest messages of an event, newest first: `[(message, progress)]`.

    Raises `EventNotFound`.
    """
    check_own(event, actor)
    query = select(messages).where(messages.c.event_id == event.id)
    latest = query.order_by(messages.c.id.desc()).limit(RECENT)

    def work(connection: Connection) -> list[tuple[MessageRow, Progress]]:
        rows = connection.execute(latest).all()
        return [(cast(MessageRow, row), _progress(connection, row.id)) for row in rows]

    return read(work)


def _progress(connection: Connection, message_id: int) -> Progress:
    # SQLite reads all keys for a LIKE; the semicolon comes right after the colon.
    prefix = f"message:{message_id}"
    query = (
        select(deliveries.c.state, func.count())
        .where(
            deliveries.c.dedupe_key > f"{prefix}:",
            deliveries.c.dedupe_key < f"{prefix};",
            # Who had no booking any more at that moment was not told, and is not counted.
            or_(deliveries.c.state != "sent", deliveries.c.sent_at.is_not(None)),
        )
        .group_by(deliveries.c.state)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return Progress(counts.get("sent", 0), counts.get("pending", 0), counts.get("parked", 0))


def parked(event: EventRow, *, actor: Actor, after: int = 0) -> Sequence[DeliveryRow]:
    """A page of an event's deliveries that were given up, in order from behind the id `after`.

    Raises `EventNotFound`.
    """
    check_own(event, actor)
    query = (
        whole_rows.where(
            deliveries.c.channel == MAIL,
            deliveries.c.state == "parked",
            deliveries.c.bulk.in_((False, True)),
            deliveries.c.event_id == event.id,
            deliveries.c.id > after,
        )
        .order_by(deliveries.c.id)
        .limit(PAGE)
    )
    rows = read(lambda connection: connection.execute(query).all())
    return cast(Sequence[DeliveryRow], rows)


class Undelivered(NamedTuple):
    """Events with mails that were given up, and with questions that cannot leave.

    `parked` is `{event_id: id of the last such mail}`. A question is `held` by a mail server that
    is away: these are ids of events. All mails rest after a restore.
    """

    parked: dict[int, int]
    held: set[int]
    is_resting: bool


def undelivered(found: Collection[EventRow], *, actor: Actor) -> Undelivered:
    """What of these events does not reach anybody. Raises `EventNotFound`."""
    for event in found:
        check_own(event, actor)
    # One probe of the index for each event; as a condition, MySQL may read all deliveries instead.
    one = (
        select(deliveries.c.id)
        .where(deliveries.c.event_id == events.c.id, deliveries.c.state == "parked")
        .order_by(deliveries.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    resting = select(heartbeats.c.resting).scalar_subquery()
    query = select(events.c.id, one, resting).where(events.c.id.in_([event.id for event in found]))
    rows = read(lambda connection: connection.execute(query).all())
    return Undelivered(
        {event_id: parked_id for event_id, parked_id, _ in rows if parked_id is not None},
        _held([event.id for event in found if may_have_asked(event)]),
        any(is_resting for *_, is_resting in rows),
    )


def _held(event_ids: Collection[int]) -> set[int]:
    """Those of the events of which a question was tried in vain and is to be tried again."""
    if not event_ids:
        return set()
    one = (
        select(deliveries.c.id)
        .where(
            deliveries.c.event_id == events.c.id,
            deliveries.c.state == "pending",
            deliveries.c.what.in_(list(QUESTIONS)),
            deliveries.c.problem.is_not(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    query = select(events.c.id, one).where(events.c.id.in_(event_ids))
    rows = read(lambda connection: connection.execute(query).all())
    return {event_id for event_id, held_id in rows if held_id is not None}


def resend(event_id: int, delivery_id: int, *, actor: Actor) -> bool:
    """Try a parked delivery of an event again; say whether there was one.

    Raises `EventNotFound`.
    """
    found = (
        deliveries.c.id == delivery_id,
        deliveries.c.event_id == event_id,
        deliveries.c.state == "parked",
    )
    due = {
        "state": "pending",
        "attempts": 0,
        "next_try_at": clock.now(),
        "problem": None,
        # It is the organizer who causes it now.
        "network": None,
    }
    change = update(deliveries).where(*found).values(due)

    def work(connection: Connection) -> bool:
        lock_own_event(connection, event_id, actor)
        return connection.execute(change).rowcount > 0

    return write(work)


def mail_again(event_id: int, position: int, *, actor: Actor) -> bool:
    """Mail a booking's link once more, as a mail of its own; say whether it has an address.

    Raises `EventNotFound`.
    """
    of_booking = and_(
        terms.c.event_id == bookings.c.event_id,
        terms.c.position == bookings.c.position,
        terms.c.is_open.is_(True),
        terms.c.kind == TermKind.ADDRESS,
    )
    # An address that is asked is told nothing else.
    kind = case((terms.c.kind.is_not(None), "ask_address"), else_=bookings.c.status)
    query = (
        select(kind)
        .join(terms, of_booking, isouter=True)
        .where(
            bookings.c.event_id == event_id,
            bookings.c.position == position,
            bookings.c.email.is_not(None),
        )
    )

    def work(connection: Connection) -> bool:
        lock_own_event(connection, event_id, actor)
        what = connection.execute(query).scalar()
        if what is not None:
            here = (bookings.c.event_id == event_id, bookings.c.position == position)
            enqueue_mail(connection, what, *here, now=clock.now())
        return what is not None

    return write(work)
