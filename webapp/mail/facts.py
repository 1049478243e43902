"""The facts behind a mail, read when it is sent: what is no longer true is not told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol, cast

from sqlalchemy import Connection, Select, func, or_, select

from webapp import clock
from webapp.booking.commands import (
    ACTIVE,
    TAKING_TICKETS,
    ActivityKind,
    Actor,
    Status,
    TermKind,
    is_active,
    takes_tickets,
)
from webapp.booking.links import Purpose, state_of
from webapp.booking.open_questions import Question
from webapp.booking.queries import BookingView, takeable_now
from webapp.booking.ranks import rank_of
from webapp.booking.terms import QUESTIONS, end_of, may_ask
from webapp.events.services import FIELDS_ATTENDEES_HEAR_OF
from webapp.mail.ahead import IS_ASKED, NOTHING, QUESTION, Ahead, AskedBooking, place_of, read_told
from webapp.mail.failures import NothingToSend, NotYet
from webapp.mail.limits import let_through
from webapp.storage.outbox import enqueue
from webapp.storage.rows import BookingRow, DeliveryRow, EventRow, EventTimes
from webapp.storage.tables import activities, bookings, deliveries, events, organizers, terms
from webapp.storage.transaction import read, write

# What a mail says is true of a booking of these statuses only. Where one is missing here, the
# change that made it untrue has written a delivery of its own.
TRUE_OF = {
    "confirmed": {Status.CONFIRMED},
    "waiting": {Status.WAITING},
    "free_now": {Status.WAITING},
    "promoted": {Status.CONFIRMED},
    "reduced": set(ACTIVE),
    "raised": set(TAKING_TICKETS),
    "cancelled": {Status.CANCELLED},
    "event_changed": set(ACTIVE),
    "event_cancelled": {Status.CANCELLED},
    "reminder": {Status.CONFIRMED},
    "ask_address": set(ACTIVE),
    "still_coming": {Status.CONFIRMED},
    "lapsed": {Status.LAPSED},
    "link_replaced": set(ACTIVE),
    "address_changed": set(Status),
    "ticket_given": set(Status),
    "ticket_received": {Status.CONFIRMED},
    Purpose.NEW_LINK: set(ACTIVE),
    Purpose.NEW_ADDRESS: set(ACTIVE),
    Purpose.TICKET_OFFER: {Status.CONFIRMED},
}
# What goes to others than whose booking it is: it leads to no link of a booking.
TO_OTHERS = ("address_changed", "ticket_given", Purpose.NEW_ADDRESS, Purpose.TICKET_OFFER)
# What has a button that nobody but its reader can press.
PRESSED = frozenset(Purpose)
# A later one of these says all that an earlier one would: `{kind: kinds}`.
SUPERSEDED_BY = {
    "reduced": ("reduced", "raised"),
    "raised": ("reduced", "raised"),
    "event_changed": ("event_changed",),
}
ZERO = timedelta()
MOST_LINKS = 50
# Less than sent rows are kept, more than an unsent one can wait.
LONGEST_SUPERSEDED = timedelta(days=7)


def facts_for(delivery: DeliveryRow, ahead: Ahead = NOTHING) -> BookingView:
    """The booking and event that a delivery tells of, as they are now.

    Raises `NothingToSend` when its mail would not be true, `SummedUp` and `NotYet` when it would
    be one too many.
    """
    told = ahead.told_by(delivery) or read_told([delivery]).get(place_of(delivery))
    if told is None:
        raise NothingToSend
    booking, event = told
    if booking.status not in TRUE_OF[delivery.what]:
        raise NothingToSend
    if delivery.what not in TO_OTHERS and booking.email != delivery.recipient:
        raise _not_theirs(delivery)
    # It was asked for by who had another link, or for another address.
    if delivery.what in PRESSED and (delivery.details or {})["state"] != state_of(booking):
        raise NothingToSend
    of_a_start = delivery.what in ("reminder", "still_coming")
    if of_a_start and not _is_before(delivery, event.starts_at):
        raise NothingToSend
    kind = QUESTIONS.get(delivery.what)
    if kind is not None and (booking.term != kind or not may_ask(event, clock.now(), least=ZERO)):
        raise NothingToSend
    # Whose address is not shown to be theirs is only asked; what is true then is told when it is.
    asks = kind is not None or delivery.what == Purpose.NEW_ADDRESS
    if booking.term == TermKind.ADDRESS and not asks and is_active(booking.status):
        raise NothingToSend
    rank = None
    if booking.status == Status.WAITING:
        rank = rank_of(event.id, booking.position)
        if rank is None:  # it has just left the list, and that is told as well
            raise NothingToSend
    question = Question(kind, booking.lapses_at) if kind else None
    found = BookingView(booking, event, rank, question)
    if delivery.what == "free_now" and not takeable_now(found):
        raise NothingToSend
    if delivery.what in SUPERSEDED_BY and _is_superseded(delivery):
        raise NothingToSend
    if delivery.id not in ahead.let_through:
        let_through(delivery)
    return found


def _not_theirs(delivery: DeliveryRow) -> Exception:
    """What becomes of a mail whose booking has another address since the mail was leased.

    Its link is for the new one alone, to which the row may have been readdressed meanwhile.
    """
    query = select(deliveries.c.recipient).where(deliveries.c.id == delivery.id)
    goes_to = read(lambda connection: connection.execute(query).scalar())
    return NothingToSend() if goes_to in (None, delivery.recipient) else NotYet(clock.now())


def answer_by(delivery: DeliveryRow, found: BookingView) -> datetime | None:
    """Until when a question can be answered; its term begins when it is sent for the first time."""
    if found.question is None or not (delivery.details or {}).get("lapses", True):
        return None
    return found.question.answer_by or end_of(found.question.kind, found.event, clock.now())


def _is_before(reminder: DeliveryRow, starts_at: datetime | None) -> bool:
    """Whether the event is still to come, and at the start that the reminder was written for.

    For another start there are reminders of their own.
    """
    if starts_at is None or starts_at <= clock.now():
        return False
    # The release before wrote no details.
    return reminder.details is None or reminder.details["starts_at"] == starts_at.isoformat()


def _is_superseded(delivery: DeliveryRow) -> bool:
    later = select(deliveries.c.id).where(
        *_of_same_booking(delivery),
        deliveries.c.what.in_(SUPERSEDED_BY[delivery.what]),
        deliveries.c.state == "pending",
        deliveries.c.id > delivery.id,
    )
    return _exists(later)


def _of_same_booking(delivery: DeliveryRow) -> tuple[Any, ...]:
    return deliveries.c.event_id == delivery.event_id, deliveries.c.position == delivery.position


def _exists(query: Select[Any]) -> bool:
    return read(lambda connection: connection.execute(query.limit(1)).first()) is not None


def event_before(delivery: DeliveryRow, booking: BookingRow, event: EventRow) -> SimpleNamespace:
    """The event as the attendee last knew it, in so far as attendees are told of changes.

    What a later change superseded was not told, so those changes count as well.
    """
    query = select(func.max(deliveries.c.created_at)).where(
        *_of_same_booking(delivery),
        deliveries.c.what == delivery.what,
        deliveries.c.state == "sent",
    )
    last_sent = read(lambda connection: connection.execute(query).scalar())
    since = max(last_sent or booking.created_at, delivery.created_at - LONGEST_SUPERSEDED)
    edits = (
        select(activities.c.details)
        .where(
            activities.c.event_id == delivery.event_id,
            activities.c.position.is_(None),
            activities.c.what == "edited",
            activities.c.at > since,
        )
        .order_by(activities.c.revision)
    )
    before: dict[str, Any] = {}
    for details in read(lambda connection: connection.execute(edits).scalars().all()):
        for name, (old, _) in (details or {}).items():
            before.setdefault(name, old)
    known = {name: getattr(event, name) for name in FIELDS_ATTENDEES_HEAR_OF}
    for name in FIELDS_ATTENDEES_HEAR_OF & before.keys():
        old = before[name]
        known[name] = datetime.fromisoformat(old) if old and name.endswith("_at") else old
    return SimpleNamespace(**known)


def language_of_organizer(organizer_id: int) -> str | None:
    """The code of the language that an organizer is written to in, if they have chosen one."""
    query = select(organizers.c.language).where(organizers.c.id == organizer_id)
    return read(lambda connection: connection.execute(query).scalar())


def address_of_organizer(organizer_id: int) -> str | None:
    """Where an organizer can be told something: the address for attendees, else their own."""
    address = func.coalesce(organizers.c.contact_email, organizers.c.email)
    query = select(address).where(organizers.c.id == organizer_id)
    return read(lambda connection: connection.execute(query).scalar())


class Ending(NamedTuple):
    """How a booking was cancelled or lapsed."""

    by_organizer: bool
    had_tickets: bool


def ending_of(booking: BookingRow) -> Ending:
    """Who cancelled this booking, if it did not lapse, and whether it held tickets or waited."""
    query = select(activities.c.actor, activities.c.status_before).where(
        activities.c.event_id == booking.event_id,
        activities.c.position == booking.position,
        activities.c.what.in_((ActivityKind.CANCELLED, ActivityKind.LAPSED)),
    )
    line = read(lambda connection: connection.execute(query.limit(1)).one())
    return Ending(Actor.parse(line.actor).is_organizer, takes_tickets(line.status_before))


class CurrentBooking(AskedBooking, EventTimes, Protocol):
    """A booking with the name and the times of its event, and what its attendee is asked."""

    @property
    def event_name(self) -> str: ...


_with_event: Select[Any] = (
    select(
        bookings,
        events.c.name.label("event_name"),
        events.c.starts_at,
        events.c.ends_at,
        events.c.time_zone,
        *QUESTION,
    )
    .join(events, events.c.id == bookings.c.event_id)
    .join(terms, IS_ASKED, isouter=True)
)


def current_bookings(
    email: str, *, first: tuple[int, int] | None = None
) -> Sequence[CurrentBooking]:
    """An address's active bookings of events that are not over, soonest first.

    Those whose attendee is the address come before others that are only told there. The booking
    `first`, an event and a position, leads them; it need not be told at the address as long as that
    is its attendee's id.
    """
    active = _with_event.where(bookings.c.active == 1)
    told_there = (
        active.where(
            bookings.c.email == email,
            or_(
                events.c.starts_at.is_(None),
                func.coalesce(events.c.ends_at, events.c.starts_at) > clock.now(),
            ),
        )
        .order_by(bookings.c.attendee_id != email, events.c.starts_at, bookings.c.event_id)
        .limit(MOST_LINKS)
    )
    event_id, position = first or (0, 0)
    leading = active.where(
        bookings.c.event_id == event_id,
        bookings.c.position == position,
        bookings.c.attendee_id == email,
    )

    def work(connection: Connection) -> Sequence[CurrentBooking]:
        rows = [*connection.execute(leading)] if first else []
        others = connection.execute(told_there).all()
        rows += [row for row in others if (row.event_id, row.position) != first]
        return cast(Sequence[CurrentBooking], rows)

    return read(work)


def summed_up_bookings(summary: DeliveryRow) -> Sequence[CurrentBooking]:
    """What an address hears of in a summary: its current bookings, then those that have ended."""
    told = select(deliveries.c.id).where(
        deliveries.c.event_id == bookings.c.event_id,
        deliveries.c.position == bookings.c.position,
        deliveries.c.summary_id == summary.id,
    )
    query = (
        _with_event.where(
            bookings.c.email == summary.recipient, bookings.c.active.is_(None), told.exists()
        )
        .order_by(bookings.c.attendee_id != summary.recipient, bookings.c.created_at.desc())
        .limit(MOST_LINKS)
    )
    ended = read(lambda connection: connection.execute(query).all())
    # They may be others than when it was leased.
    details = select(deliveries.c.details).where(deliveries.c.id == summary.id)
    first = (read(lambda connection: connection.execute(details).scalar()) or {}).get("first")
    current = current_bookings(summary.recipient, first=tuple(first) if first else None)
    return [*current, *cast(Sequence[CurrentBooking], ended)]


def send_links(
    email: str, *, first: tuple[int, int] | None = None, network: str | None = None
) -> None:
    """Have the links of `current_bookings` sent to the address; nothing is sent if it has none.

    `network` is the one that a stranger asks from.
    """
    # In the details: a row that names an event would have to wait for the event's lock.
    details = {"first": first} if first else None
    write(
        partial(
            enqueue,
            kind="links",
            recipient=email,
            details=details,
            network=network,
            now=clock.now(),
        )
    )
