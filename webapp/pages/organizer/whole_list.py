"""An organizer adds a whole list of people: pasted or uploaded, looked at, then booked in order.

Nothing is kept between the look and the booking: the page sends the list back whole.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from flask import g, request
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator

from webapp.booking import lists
from webapp.booking.commands import Outcome, Status
from webapp.booking.lists import Listed
from webapp.booking.ticket_types import text_of, wants_of
from webapp.errors import AlreadyBooked, DomainError, InvalidInput, Problem, Unavailable
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, me, uploads
from webapp.pages.organizer.by_hand import Doors
from webapp.pages.organizer.by_type import type_names
from webapp.pages.organizer.events import EVENT
from webapp.storage.idempotency import IdempotencyKey, bind_key
from webapp.text import tables
from webapp.text.sentences import problem_sentence, sentence_of
from webapp.text.tables import Layout, Table
from webapp.text.typed import has_controls
from webapp.web.fields import Email, Line, Tickets
from webapp.web.htmx import show
from webapp.web.language import gettext as _
from webapp.web.language import language
from webapp.web.paging import number_in
from webapp.web.schemas import Input, from_form

MOST_LINES = 1_000
MOST_BYTES = 200_000
# A file is text, and comes beside the text that was there before.
uploads.allow(
    "add_list", 5 * MOST_BYTES, Problem("list_too_long", lines=MOST_LINES, size=MOST_BYTES // 1000)
)


def _blank_is(default: object) -> BeforeValidator:
    return BeforeValidator(lambda value: value or default)


class ListedFields(Input):
    """One line of a list."""

    name: Line = ""
    email: Annotated[Email | None, _blank_is(None)] = None
    tickets: Annotated[Tickets, _blank_is(1)] = 1
    type: Line = ""


@dataclass(slots=True)
class Row:
    """A line of a list as its table shows it: what it says, and what becomes of it.

    Either it has a `problem`, with the `position` of the booking that is in its way if one is, or
    an `outcome`.
    """

    number: int
    cells: Sequence[str]
    said: Mapping[str, str]
    person: Listed | None = None
    outcome: Outcome | None = None
    problem: str = ""
    position: int | None = None

    def take(self, result: Outcome | DomainError) -> None:
        """Take what became of its person, or would."""
        if isinstance(result, Outcome):
            self.outcome = result
            return
        self.outcome = None
        if isinstance(result, AlreadyBooked):
            self.position = result.position
        if isinstance(result, InvalidInput):
            self.problem = _told(result.problems)
        else:
            self.problem = sentence_of(result, language())


class Totals(NamedTuple):
    """Of how many lines what becomes, and how many of the new ones have an address."""

    confirmed: int
    waiting: int
    booked_before: int
    wrong: int
    with_address: int

    @property
    def new(self) -> int:
        """How many are booked."""
        return self.confirmed + self.waiting


@dataclass(frozen=True, slots=True)
class Look:
    """A list as it is understood: its text, table and layout, and what becomes of each line."""

    text: str
    table: Table
    layout: Layout
    rows: list[Row]
    ending: int = 0

    @property
    def digest(self) -> str:
        """What the list and the choices come to: another one has not been looked at."""
        seen = repr((self.text, self.layout.has_headings, sorted(self.layout.columns.items())))
        return hashlib.sha256(seen.encode("utf-8", "replace")).hexdigest()

    @property
    def totals(self) -> Totals:
        outcomes = [row.outcome for row in self.rows if row.outcome]
        confirmed = sum(outcome.status is Status.CONFIRMED for outcome in outcomes)
        booked = sum(row.position is not None for row in self.rows)
        return Totals(
            confirmed,
            len(outcomes) - confirmed,
            booked,
            len(self.rows) - len(outcomes) - booked,
            sum(bool(row.outcome and row.person and row.person.email) for row in self.rows),
        )

    def wanted(self, status: str) -> str:
        """The tickets of all lines that come to a status, by type; empty without types."""
        total: Counter[int] = Counter()
        for row in self.rows:
            if row.outcome and row.outcome.status == status:
                total.update(wants_of(row.outcome.wants))
        return text_of(total)

    @property
    def left_over(self) -> str:
        """The lines for which nothing is booked, as a list of their own to be put right."""
        wrong = [row.cells for row in self.rows if not row.outcome and row.position is None]
        if not wrong:
            return ""
        heads = [self.table.lines[0][1]] if self.layout.has_headings else []
        return "\n".join(tables.line_of(cells, self.table.separator) for cells in [*heads, *wrong])

    def label_of(self, column: int) -> str:
        """What a column is called: its heading, else what stands first in it."""
        lines = self.table.lines if self.layout.has_headings else self.table.lines[:20]
        return next((cells[column] for _, cells in lines if cells[column]), "")[:40]


@bp.get(f"{EVENT}/bookings/list")
def new_list(event_id: int) -> ResponseReturnValue:
    """The form for a list."""
    return _page(None, typed=forms.form_of("organizer.add_list").typed.get("text", ""))


@bp.post(f"{EVENT}/bookings/list")
@form_on("organizer.new_list")
def add_list(event_id: int) -> ResponseReturnValue:
    """Show what would become of a list; book it once that was looked at."""
    look = _look_at(event_id, _sent_text())
    people = [row for row in look.rows if row.person]
    if request.form.get("act") == "book" and request.form.get("looked") == look.digest:
        return _book(event_id, look, people)
    expected = lists.expect_list(g.event, [row.person for row in people if row.person], actor=me())
    for row, result in zip(people, expected.outcomes, strict=True):
        row.take(result)
    return _page(look, ending=expected.ending)


def _book(event_id: int, look: Look, rows: Sequence[Row]) -> ResponseReturnValue:
    caller, key = str(me()), request.form.get(forms.KEY_FIELD, "")

    def key_of(place: int, one: Listed) -> IdempotencyKey | None:
        if not forms.is_key(key):
            return None
        content = one._asdict()
        if not one.wants:
            del content["wants"]
        return bind_key("list", caller=caller, key=f"{key} {place}", **content)

    results = lists.book_list(
        event_id,
        [row.person for row in rows if row.person],
        actor=me(),
        is_told=request.form.get("tells") == "yes",
        key_of=key_of,
    )
    for row, result in zip(rows, results, strict=True):
        row.take(result)
    return show(
        "organizer/list_done.html",
        event=g.event,
        look=look,
        is_cut_off=any(isinstance(result, Unavailable) for result in results),
    )


def _page(look: Look | None, *, typed: str = "", ending: int = 0) -> ResponseReturnValue:
    return show(
        "organizer/list.html",
        event=g.event,
        doors=Doors(g.event),
        look=look,
        text=look.text if look else typed,
        ending=ending,
        fields=_fields(),
        types=type_names(),
        most_lines=MOST_LINES,
        most_kilobytes=MOST_BYTES // 1000,
        tells=request.form.get("tells") == "yes"
        if look and "looked" in request.form
        else g.event.status != "draft",
    )


def _sent_text() -> str:
    """The list of the form, that of its file where there is one. Raises `InvalidInput`."""
    file = request.files.get("file")
    data = file.read() if file else b""
    if tables.is_spreadsheet(data):
        raise InvalidInput({"file": Problem("spreadsheet_file")})
    text = tables.decoded(data) if data else request.form.get("text", "")
    # As a form sends it back, or the next look would not know it again.
    text = "\n".join(text.removeprefix("\ufeff").splitlines()).strip("\n")
    if has_controls(text):
        text = "".join(" " if has_controls(char) else char for char in text)
    if not text.strip():
        raise InvalidInput({"text": Problem("list_missing")})
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise InvalidInput({"text": _too_long()})
    return text


def _too_long() -> Problem:
    return Problem("list_too_long", lines=MOST_LINES, size=MOST_BYTES // 1000)


def _fields() -> tuple[str, ...]:
    """What the columns of a list can hold."""
    return (*tables.FIELDS, tables.TYPE) if type_names() else tables.FIELDS


def _look_at(event_id: int, text: str) -> Look:
    """A list as the form says it is to be understood, or as it seems to be."""
    table = tables.table_of(text)
    layout = tables.layout_of(table, type_names().values())
    form = request.form
    has_file = bool(request.files.get("file"))
    if not has_file and number_in(form.get("width", "")) == table.width:
        chosen = {field: number_in(form.get(f"{field}_column", "")) for field in _fields()}
        columns = {
            field: number - 1
            for field, number in chosen.items()
            if number is not None and 1 <= number <= table.width
        }
        layout = Layout(form.get("headings") == "yes", columns)
    lines = table.lines[1:] if layout.has_headings else table.lines
    if len(lines) > MOST_LINES:
        raise InvalidInput({"text": _too_long()})
    if not lines:
        raise InvalidInput({"text": Problem("list_missing")})
    rows = [_row(number, cells, layout) for number, cells in lines]
    _refuse_repeated(event_id, rows)
    return Look(text, table, layout, rows)


def _row(number: int, cells: Sequence[str], layout: Layout) -> Row:
    """One line, with what is wrong with it by itself."""

    def cell(field: str) -> str:
        column = layout.columns.get(field)
        return cells[column] if column is not None else ""

    names = (cell(tables.NAME), cell(tables.FIRST_NAME), cell(tables.LAST_NAME))
    said = {
        "name": " ".join(filter(None, names)),
        "email": cell(tables.EMAIL),
        "tickets": cell(tables.TICKETS),
        "type": cell(tables.TYPE),
    }
    row = Row(number, cells, said)
    try:
        read = from_form(ListedFields, said)
    except InvalidInput as error:
        row.problem = _told(error.problems)
        return row
    if not read.name and read.email is None:
        row.problem = problem_sentence(Problem("nobody_in_line"), language())
        return row
    kind = _type_of(read.type)
    if read.type and kind is None:
        row.problem = _told({"type": Problem("unknown_type")})
        return row
    wants = text_of({kind: read.tickets}) if kind else ""
    row.person = Listed(read.name, read.email, read.tickets, wants)
    return row


def _type_of(name: str) -> int | None:
    """The number of the type of that name, whatever its case; none for no name."""
    named = {known.casefold(): number for number, known in type_names().items()}
    return named.get(name.casefold()) if name else None


def _refuse_repeated(event_id: int, rows: Sequence[Row]) -> None:
    """Tell of each person who stands in an earlier line too."""
    first: dict[str, int] = {}
    for row in rows:
        if row.person is None:
            continue
        number = first.setdefault(row.person.attendee_id(event_id), row.number)
        if number != row.number:
            problem = Problem("twice_in_list", line=number)
            if row.person.wants:
                problem = Problem("twice_in_typed_list", line=number)
            row.person = None
            row.problem = problem_sentence(problem, language())


def _told(problems: Mapping[str, Problem]) -> str:
    """What is wrong with the fields of a line."""
    labels = {
        "name": _("Name"),
        "email": _("E-mail"),
        "tickets": _("Tickets"),
        "items": _("Tickets"),
        "type": _("Ticket type"),
    }
    return " ".join(
        f"{labels[field]}: {problem_sentence(problem, language())}"
        for field, problem in problems.items()
    )
