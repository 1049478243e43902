"""What a mail consists of before it is put together."""

from dataclasses import dataclass, field
from typing import NamedTuple

from webapp.accounts.contacts import NOBODY, Contact
from webapp.storage.rows import EventRow
from webapp.text.languages import Language, filled
from webapp.text.sentence import later as _
from webapp.text.typed import one_line


class Reason(NamedTuple):
    """Why somebody gets a mail: a text in English that names the `site`, and perhaps an event.

    It has no full stop: an address may come last.
    """

    text: str
    event: str = ""

    def said_in(self, language: Language, site: str) -> str:
        [text], _ = language.forms(self.text)
        return filled(text, {"site": site, "event": self.event})


# Why somebody gets a mail.
BY_BOOKING = Reason(_("You get this mail because of a booking with this address at %(site)s"))
BY_GIVING = Reason(
    _("You get this mail because somebody gave this address for a booking at %(site)s")
)
BY_ASKING = Reason(
    _("You get this mail because somebody asked for the bookings of this address at %(site)s")
)
BY_CHOICE = Reason(_("You get this mail because you asked for it in your settings at %(site)s"))


class Link(NamedTuple):
    """Something to click: the words on it, the address, and what is said beside it."""

    label: str
    url: str
    note: str = ""


class Fact(NamedTuple):
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


class Shown(NamedTuple):
    """All that the body of a mail is drawn from, with stand-ins for what is the reader's own.

    `calendar` is a calendar file, empty for none.
    """

    language: Language
    title: str
    paragraphs: tuple[str, ...]
    reason: Reason
    about: str
    facts: tuple[Fact, ...]
    links: tuple[Link, ...]
    button: Link | None
    second_button: Link | None
    has_ticket: bool
    can_leave: bool
    calendar: str
    is_cancelled: bool

    @property
    def subject(self) -> str:
        mark = "" if self.title.endswith("?") else ":"
        return one_line(f"{self.title}{mark} {self.about}" if self.about else self.title)


@dataclass(slots=True)
class Mail:
    """A mail before it is put together.

    The subject is the title and, behind it, `about`: in a list of mails there is room for a few
    words, and the name of an event may be long, or run from right to left.
    `entry` is what a calendar file is made of.
    `reply_to` is where answers of attendees go.
    `own` are the texts behind the stand-ins in what is said, where many get the same but for them;
    none where a mail is drawn for one reader.
    """

    language: Language
    title: str
    paragraphs: tuple[str, ...]
    reason: Reason
    about: str = ""
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    button: Link | None = None
    second_button: Link | None = None
    ticket_code: str = ""
    entry: Entry | None = None
    unsubscribe: str = ""
    reply_to: str = ""
    own: dict[str, str] = field(default_factory=dict)
    message_id: str = field(default="", init=False)
    subject: str = field(default="", init=False)
    body: bytes = field(default=b"", init=False)

    @property
    def picture_id(self) -> str:
        """The Content-ID of the code, which the HTML names; of this mail alone (RFC 2392)."""
        return f"ticket.{self.message_id}"

    def shown(self, calendar: str) -> Shown:
        """What its body is drawn from; `calendar` is its file, with stand-ins."""
        return Shown(
            self.language,
            self.title,
            self.paragraphs,
            self.reason,
            self.about,
            self.facts,
            self.links,
            self.button,
            self.second_button,
            bool(self.ticket_code),
            bool(self.unsubscribe),
            calendar,
            self.entry is not None and self.entry.is_cancelled,
        )
