"""The tables, with a constraint behind every rule that a row or a pair of rows can break.

A booking is named by its event and its position there. Both are known before the row is written,
so a batch of bookings and their history goes in without asking the database for generated ids.
"""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.account_tables import ApiToken, Dismissal, Login, Organizer
from webapp.storage.columns import (
    MAX_CAPACITY,
    MAX_EMAIL,
    MAX_LANGUAGE,
    MAX_NAME,
    MAX_REASON,
    NEVER_REUSED,
    UTF8MB4,
    BigId,
    LongText,
    PictureData,
    UtcDateTime,
    code_text,
    exact_text,
)
from webapp.storage.door_tables import Admission, DoorPass, Scan
from webapp.storage.mail_tables import Delivery, MailSlot, Message, OptOut, Pace
from webapp.storage.type_tables import MAX_WANTS, Code, CodeType, Queue, TicketType


class Event(Base):
    """What is attended, with the inventory of its tickets.

    `confirmed` counts tickets, `waiting` counts bookings. `revision` grows by one with every
    transaction that changes the event or one of its bookings.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(f"capacity BETWEEN 1 AND {MAX_CAPACITY}", "capacity"),
        CheckConstraint("confirmed BETWEEN 0 AND capacity", "confirmed"),
        CheckConstraint("waiting >= 0", "waiting"),
        CheckConstraint("next_position >= 1", "next_position"),
        CheckConstraint("max_tickets_per_booking >= 1", "max_tickets_per_booking"),
        CheckConstraint("waiting_list_limit IS NULL OR waiting_list_limit >= 0", "waiting_list"),
        CheckConstraint("status IN ('draft', 'published', 'cancelled')", "status"),
        Index(None, "organizer_id"),
        Index(None, "organizer_id", "starts_at"),
        Index(None, "status", "starts_at"),
        Index(None, "next_lapse_at"),
        Index(None, "still_coming_days", "starts_at"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"))
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    description: Mapped[str] = mapped_column(LongText, default="")
    location: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(code_text(16))
    sales_open_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sales_close_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    max_tickets_per_booking: Mapped[int] = mapped_column(Integer, default=10)
    # The most bookings that may wait: none for no limit, 0 for no waiting list.
    waiting_list_limit: Mapped[int | None] = mapped_column(Integer)
    capacity: Mapped[int] = mapped_column(Integer)
    confirmed: Mapped[int] = mapped_column(Integer, default=0)
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    next_position: Mapped[int] = mapped_column(Integer, default=1)
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    # The number that was last given to a ticket type; 0 for an event whose tickets are all alike.
    types: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # No term of a booking ends before this moment; null where none is open.
    next_lapse_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whether who books has to show that the address is theirs.
    asks_address: Mapped[bool] = mapped_column(default=False, server_default=false())
    # So many days before the start attendees are asked whether they are still coming; null for
    # never. Who does not answer lapses, or stays.
    still_coming_days: Mapped[int | None] = mapped_column(Integer)
    still_coming_lapses: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Whether the attendees are reminded a day before.
    reminds: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_sample: Mapped[bool] = mapped_column(default=False)
    # The name of its picture, and what that shows in words; empty where it only decorates.
    picture: Mapped[str | None] = mapped_column(code_text(40))
    picture_description: Mapped[str] = mapped_column(
        String(MAX_NAME), default="", server_default=""
    )
    # Why it was cancelled, as everybody is told; null where nothing was said.
    cancel_reason: Mapped[str | None] = mapped_column(String(MAX_REASON))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Picture(Base):
    """The picture of an event in two sizes, apart from the event's row so that this stays short."""

    __tablename__ = "picture"
    __table_args__ = (UTF8MB4,)

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    large: Mapped[bytes] = mapped_column(PictureData)
    small: Mapped[bytes] = mapped_column(PictureData)


class Booking(Base):
    """One attendee's claim to tickets of one event."""

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("tickets >= 1", "tickets"),
        CheckConstraint("position >= 1", "position"),
        CheckConstraint("admitted BETWEEN 0 AND tickets", "admitted"),
        CheckConstraint(
            "status IN ('confirmed', 'waiting', 'cancelled', 'lapsed', 'held')", "status"
        ),
        UniqueConstraint("reference"),
        UniqueConstraint("ticket_code"),
        UniqueConstraint("event_id", "attendee_id", "active"),
        Index(None, "event_id", "status", "position"),
        Index(None, "event_id", "status", "wants", "position"),
        Index(None, "email"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    attendee_id: Mapped[str] = mapped_column(exact_text(MAX_EMAIL))
    status: Mapped[str] = mapped_column(code_text(16))
    tickets: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(code_text(32))
    ticket_code: Mapped[str] = mapped_column(code_text(32))
    name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    email: Mapped[str | None] = mapped_column(exact_text(MAX_EMAIL))
    # The code of the language it was made in; null for that of the setting LANGUAGE.
    language: Mapped[str | None] = mapped_column(code_text(MAX_LANGUAGE))
    # How often its ticket was given to somebody else; null for never.
    times_given: Mapped[int | None] = mapped_column(Integer)
    # How many of its people are in.
    admitted: Mapped[int] = mapped_column(Integer, server_default="0")
    # Its tickets by type, such as "1:2,3:1"; empty where the event has no types.
    wants: Mapped[str] = mapped_column(code_text(MAX_WANTS), default="", server_default="")
    # The number of the code it was made with; null for none.
    code: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Null for a booking that is over, and nulls never collide: one active booking per attendee.
    active: Mapped[int | None] = mapped_column(
        Integer, Computed("CASE WHEN status IN ('confirmed', 'waiting', 'held') THEN 1 END")
    )


class Term(Base):
    """What a booking's attendee has been asked, and by when they have to do it to keep the booking.

    There is a row only where something is asked. `lapses_at` is null until the question has been
    sent, and where the booking stays whatever is answered. The row of a question that is answered,
    or of a booking that lapsed, is kept; it is open no longer.
    """

    __tablename__ = "term"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        CheckConstraint("kind IN ('address', 'coming')", "kind"),
        Index(None, "event_id", "is_open", "lapses_at"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(code_text(16))
    lapses_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_open: Mapped[bool] = mapped_column(default=True, server_default=true())


class Heartbeat(Base):
    """The one row that tells when a deliverer was last there; without one nobody lapses.

    `resting`, after a restore, keeps mails and lapses back until an operator ends it.
    """

    __tablename__ = "heartbeat"
    __table_args__ = (CheckConstraint("id = 1", "id"), UTF8MB4)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    beat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resting: Mapped[bool] = mapped_column(default=False, server_default=false())
    # When the last backup was made; null for never.
    backed_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OldCode(Base):
    """The SHA-256 of a reference or ticket code that was replaced: good for nothing any more.

    It is kept so that whoever comes with it is told so.
    """

    __tablename__ = "old_code"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        CheckConstraint("kind IN ('reference', 'ticket_code')", "kind"),
        Index(None, "event_id", "position"),
        UTF8MB4,
    )

    code_hash: Mapped[str] = mapped_column(code_text(64), primary_key=True)
    event_id: Mapped[int] = mapped_column(BigId)
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(code_text(16))
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Activity(Base):
    """One line of the history of an event or of one of its bookings; only ever appended.

    `position` names the booking, or is null for the event itself. `cause` is the position of the
    booking whose cancel or change made this promotion possible.
    """

    __tablename__ = "activity"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        Index(None, "event_id", "revision"),
        Index(None, "event_id", "position"),
        UTF8MB4,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    revision: Mapped[int] = mapped_column(BigInteger)
    batch: Mapped[str] = mapped_column(code_text(32))
    what: Mapped[str] = mapped_column(code_text(32))
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    position: Mapped[int | None] = mapped_column(Integer)
    cause: Mapped[int | None] = mapped_column(Integer)
    status_before: Mapped[str | None] = mapped_column(code_text(16))
    status_after: Mapped[str | None] = mapped_column(code_text(16))
    tickets_before: Mapped[int | None] = mapped_column(Integer)
    tickets_after: Mapped[int | None] = mapped_column(Integer)
    # As in `booking.wants`; null where the event had no types.
    wants_before: Mapped[str | None] = mapped_column(code_text(MAX_WANTS))
    wants_after: Mapped[str | None] = mapped_column(code_text(MAX_WANTS))
    # For a change of the event: {field: [before, after]}; for what is asked of an attendee, and
    # what became of it: {"term": [null, kind]}, which the release before can read as well; for a
    # correction of a booking, or a ticket that was given away, which never tell values:
    # {"fields": [field]}; for who was admitted or let out: {"admitted": [before, after]}.
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class UsedKey(Base):
    """What was answered under a caller's one-time key, written with the effect it stands for."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index(None, "created_at"), UTF8MB4)

    # 0 stands for "no event yet": the key of a form that creates one.
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    operation: Mapped[str] = mapped_column(code_text(16), primary_key=True)
    caller: Mapped[str] = mapped_column(code_text(64), primary_key=True)
    key: Mapped[str] = mapped_column(code_text(255), primary_key=True)
    content_hash: Mapped[str] = mapped_column(code_text(64))
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


# The same as SQLAlchemy Core takes them: services read and write rows, not objects.
organizers = cast(Table, Organizer.__table__)
tokens = cast(Table, ApiToken.__table__)
logins = cast(Table, Login.__table__)
dismissals = cast(Table, Dismissal.__table__)
events = cast(Table, Event.__table__)
bookings = cast(Table, Booking.__table__)
terms = cast(Table, Term.__table__)
heartbeats = cast(Table, Heartbeat.__table__)
old_codes = cast(Table, OldCode.__table__)
activities = cast(Table, Activity.__table__)
used_keys = cast(Table, UsedKey.__table__)
deliveries = cast(Table, Delivery.__table__)
mail_slots = cast(Table, MailSlot.__table__)
paces = cast(Table, Pace.__table__)
messages = cast(Table, Message.__table__)
opt_outs = cast(Table, OptOut.__table__)
pictures = cast(Table, Picture.__table__)
door_passes = cast(Table, DoorPass.__table__)
scans = cast(Table, Scan.__table__)
admissions = cast(Table, Admission.__table__)
ticket_types = cast(Table, TicketType.__table__)
queues = cast(Table, Queue.__table__)
promo_codes = cast(Table, Code.__table__)
code_types = cast(Table, CodeType.__table__)
