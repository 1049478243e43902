"""What a mail consists of before it is put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from webapp.accounts.contacts import NOBODY, Contact
from webapp.storage.rows import EventRow
from webapp.text import qr_code
from webapp.text.languages import Language
from webapp.text.typed import one_line

# Says why somebody gets a mail, and from which site: as its name or as a link to it.
Reason = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Link:
    """Something to click: the words on it, the address, and what is said beside it."""

    label: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the table; `before` is what it was until it was changed."""

    label: str
    value: str
    before: str = ""


class Entry(NamedTuple):
    """What a calendar file is made of: an event, and the booking whose entry it is.

    `holder` counts those who gave the ticket on before. `tickets` says of which types they are,
    where the event has any.
    """

    event: EventRow
    position: int
    holder: int = 0
    is_cancelled: bool = False
    contact: Contact = NOBODY
    tickets: str = ""


@dataclass(slots=True)
class Mail:
    """A mail before it is put together.

    The subject is the title and, behind it, `about`: in a list of mails there is room for a few
    words, and the name of an event may be long, or run from right to left.
    `reason` has no full stop: an address may come last.
    `entry` is what a calendar file is made of.
    `reply_to` is where answers of attendees go.
    """

    language: Language
    title: str
    paragraphs: Sequence[str]
    reason: Reason
    about: str = ""
    facts: Sequence[Fact] = ()
    links: Sequence[Link] = ()
    button: Link | None = None
    second_button: Link | None = None
    ticket_code: str = ""
    entry: Entry | None = None
    unsubscribe: str = ""
    reply_to: str = ""
    message_id: str = field(default="", init=False)
    text: str = field(default="", init=False)
    html: str = field(default="", init=False)

    @property
    def subject(self) -> str:
        mark = "" if self.title.endswith("?") else ":"
        return one_line(f"{self.title}{mark} {self.about}" if self.about else self.title)

    @property
    def picture_id(self) -> str:
        """The Content-ID of the code, which the HTML names; of this mail alone (RFC 2392)."""
        return f"ticket.{self.message_id}"

    @property
    def qr_code(self) -> bytes | None:
        """The code of the ticket as a PNG."""
        return qr_code.as_png(self.ticket_code) if self.ticket_code else None
