"""The tables of ticket types: the types of an event, who waits for which, and codes.

An event without types has no rows here. What a booking wants of them stands in `booking.wants`.
"""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.columns import UTF8MB4, BigId, LongText, UtcDateTime, code_text, exact_text

MAX_TYPE_NAME = 80
MAX_CODE = 40
# The text of what a booking wants, such as "1:2,3:1".
MAX_WANTS = 100


class TicketType(Base):
    """A kind of ticket of an event, numbered from 1 there.

    `confirmed` counts the tickets of it that are taken, up to its `quota`: none where the event's
    capacity alone limits it.
    """

    __tablename__ = "ticket_type"
    __table_args__ = (
        CheckConstraint("number >= 1", "number"),
        CheckConstraint("quota IS NULL OR quota >= 1", "quota"),
        CheckConstraint("confirmed >= 0 AND (quota IS NULL OR confirmed <= quota)", "confirmed"),
        CheckConstraint(
            "min_tickets >= 1 AND (max_tickets IS NULL OR max_tickets >= min_tickets)",
            "min_tickets",
        ),
        UniqueConstraint("event_id", "name"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(exact_text(MAX_TYPE_NAME))
    description: Mapped[str] = mapped_column(LongText, default="")
    # Where it stands among the types of its event.
    place: Mapped[int] = mapped_column(Integer)
    quota: Mapped[int | None] = mapped_column(Integer)
    confirmed: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # The fewest and the most of it in a booking that has any.
    min_tickets: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    max_tickets: Mapped[int | None] = mapped_column(Integer)
    sales_open_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sales_close_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Seen and booked only by who has a code that unlocks it.
    hidden: Mapped[bool] = mapped_column(default=False, server_default=false())


class Queue(Base):
    """How many bookings of an event wait for the same tickets.

    There is a row for all wants that anybody has ever waited for: through it the first of each
    queue is found without reading those behind.
    """

    __tablename__ = "queue"
    __table_args__ = (CheckConstraint("waiting >= 0", "waiting"), UTF8MB4)

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    wants: Mapped[str] = mapped_column(code_text(MAX_WANTS), primary_key=True)
    waiting: Mapped[int] = mapped_column(Integer)


class Code(Base):
    """A code of an event: it unlocks hidden types, or counts what is had with it, or both.

    `used` counts the tickets of active bookings that were made with it, waiting ones as well.
    """

    __tablename__ = "code"
    __table_args__ = (
        CheckConstraint("used >= 0 AND (ticket_limit IS NULL OR used <= ticket_limit)", "used"),
        CheckConstraint("ticket_limit IS NULL OR ticket_limit >= 1", "ticket_limit"),
        CheckConstraint("max_per_booking IS NULL OR max_per_booking >= 1", "max_per_booking"),
        UniqueConstraint("event_id", "text"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # Upper case, without spaces around it.
    text: Mapped[str] = mapped_column(exact_text(MAX_CODE))
    unlocks: Mapped[bool] = mapped_column(default=True, server_default=true())
    ticket_limit: Mapped[int | None] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    max_per_booking: Mapped[int | None] = mapped_column(Integer)
    valid_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # What the organizer notes about it, such as whom it was given to.
    note: Mapped[str] = mapped_column(String(200), default="", server_default="")


class CodeType(Base):
    """A type that a code is for; a code without any is for all types of its event."""

    __tablename__ = "code_type"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "code"], ["code.event_id", "code.number"]),
        ForeignKeyConstraint(["event_id", "type"], ["ticket_type.event_id", "ticket_type.number"]),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    code: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    type: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
