"""Lists of people as they are pasted or uploaded: CSV of any kind, tabs, with or without headings.

What is known of a list is guessed from it: its letters, what separates its cells, whether it begins
with headings, and which column holds what.
"""

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

NAME, FIRST_NAME, LAST_NAME, EMAIL, TICKETS = FIELDS = (
    "name",
    "first_name",
    "last_name",
    "email",
    "tickets",
)
# Only in the list of an event with ticket types.
TYPE = "type"
SEPARATORS = "\t;,|"
MOST_COLUMNS = 30
LOOKED_AT = 50
# Words of headings, in small letters without what is no letter. A family name goes by "name" where
# there is a first name beside it.
HEADINGS = {
    NAME: "name fullname names attendee attendeename guest guestname participant person people"
    " vollername teilnehmer teilnehmerin teilnehmende gast gastname besucher kontakt bezeichnung",
    FIRST_NAME: "firstname givenname forename vorname rufname",
    LAST_NAME: "lastname surname familyname nachname familienname zuname",
    EMAIL: "email mail emailaddress mailaddress mailadresse emailadresse address adresse emailid",
    TICKETS: "tickets ticket quantity qty count number seats places persons anzahl karten"
    " karte plätze platz personen menge stück ticketanzahl anzahltickets anzahlkarten",
    TYPE: "type tickettype tickettypes kind category tier"
    " typ tickettyp ticketart art kategorie tarif",
}
FIELD_OF = {word: field for field, words in HEADINGS.items() for word in words.split()}
no_letter = re.compile(r"[\W_]+")
is_count = re.compile(r"[0-9]{1,3}").fullmatch
separator_line = re.compile(r'\A"?sep=(.)"?\r?\n', re.IGNORECASE)
# "Ada Lovelace <ada@example.org>", as mail programs copy it.
mailbox = re.compile(r"\s*\"?([^<>\"]*?)\"?\s*<\s*([^<>\s]+@[^<>\s]+)\s*>\s*").fullmatch


class Table(NamedTuple):
    """The lines of a list that hold anything, each with its number in the text, from 1.

    Each is a list of as many cells as the widest has.
    """

    lines: list[tuple[int, list[str]]]
    separator: str

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.lines[0][1]) if self.lines else 0


class Layout(NamedTuple):
    """Whether the first line is one of headings, and where the fields are: `{field: column}`."""

    has_headings: bool
    columns: Mapping[str, int]


def is_spreadsheet(data: bytes) -> bool:
    """Whether a file is one of a spreadsheet's own, which is no text."""
    return data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"))


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or the alphabet of Western Windows."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    begin = data[:200]
    if begin.count(0) * 4 > len(begin):
        return data.decode("utf-16-le" if begin[1:2] == b"\0" else "utf-16-be", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def table_of(text: str) -> Table:
    """The cells of a list."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    told = separator_line.match(text)
    skipped = 1 if told else 0
    text = text[told.end() :] if told else text
    separator = told[1] if told else _separator_of(text)
    lines = []
    for number, cells in _read(text, separator):
        cells = [" ".join(cell.split()) for cell in cells[:MOST_COLUMNS]]
        if any(cell.strip(SEPARATORS) for cell in cells):
            lines.append((number + skipped, cells))
    if lines and max(len(cells) for _, cells in lines) == 1 and any("<" in c[0] for _, c in lines):
        lines = [(number, list(_mailbox(cells[0]))) for number, cells in lines]
    width = max((len(cells) for _, cells in lines), default=0)
    return Table(
        [(number, cells + [""] * (width - len(cells))) for number, cells in lines], separator
    )


def layout_of(table: Table, types: Collection[str] = ()) -> Layout:
    """What the columns of a list seem to hold, by their headings, else by their content.

    `types` are the names of the ticket types that a column may hold.
    """
    names = frozenset(map(str.casefold, types))
    if not table.lines:
        return Layout(False, {})
    first = table.lines[0][1]
    named: dict[str, int] = {}
    if not any("@" in cell for cell in first):
        for column, cell in enumerate(first):
            field = FIELD_OF.get(no_letter.sub("", cell.casefold()))
            if field is not None and (names or field != TYPE):
                named.setdefault(field, column)
    if FIRST_NAME in named and NAME in named and LAST_NAME not in named:
        named[LAST_NAME] = named.pop(NAME)
    if named:
        # Those that go by the headings; a column of addresses is one whatever stands above it.
        by_content = _by_content(table.lines[1:], names)
        if EMAIL not in named and by_content.get(EMAIL) not in (None, *named.values()):
            named[EMAIL] = by_content[EMAIL]
        if TYPE not in named and by_content.get(TYPE) not in (None, *named.values()):
            named[TYPE] = by_content[TYPE]
        return Layout(True, named)
    columns = _by_content(table.lines, names)
    has_headings = len(table.lines) > 1 and EMAIL in columns and "@" not in first[columns[EMAIL]]
    return Layout(has_headings and bool(first[columns[EMAIL]]), columns)


def line_of(cells: Sequence[str], separator: str) -> str:
    """A line as it stands in a list."""
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="").writerow(cells)
    return file.getvalue()


def _read(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The lines with the numbers at which they begin."""
    # A quotation mark that is never closed would make one cell of all that follows.
    source = io.StringIO(text)
    if text.count('"') % 2:
        reader = csv.reader(source, delimiter=separator, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(source, delimiter=separator)
    lines, begin = [], 1
    try:
        for cells in reader:
            if len(cells) == 1 and separator in cells[0] and "\n" not in cells[0]:
                # A line that is quoted as a whole.
                cells = next(csv.reader([cells[0]], delimiter=separator))
            lines.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error:
        # A cell that is longer than the module reads; as text it is refused for its length.
        lines = [(number, [line]) for number, line in enumerate(text.split("\n"), 1)]
    return lines


def _separator_of(text: str) -> str:
    """What makes the most cells of the first lines, in nearly all of them as many."""
    best, most = ",", 0
    begin = "\n".join(text.split("\n", LOOKED_AT)[:LOOKED_AT])
    for separator in SEPARATORS:
        widths = [len(cells) for _, cells in _read(begin, separator) if any(cells)]
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        if usual > 1 and (score := widths.count(usual) * min(usual, 4)) > most:
            best, most = separator, score
    return best


def _mailbox(text: str) -> tuple[str, str]:
    found = mailbox(text)
    if found:
        return found[1], found[2]
    return ("", text) if "@" in text else (text, "")


def _are_mostly(cells: Sequence[str], types: Collection[str]) -> bool:
    return 2 * sum(cell.casefold() in types for cell in cells) > len(cells)


def _by_content(lines: Sequence[tuple[int, list[str]]], types: Collection[str]) -> dict[str, int]:
    """The columns whose cells look like addresses, types, numbers of tickets and names."""
    sample = [cells for _, cells in lines[:LOOKED_AT]]
    if not sample:
        return {}
    found: dict[str, int] = {}
    names = []
    for column in range(len(sample[0])):
        filled = [cells[column] for cells in sample if cells[column]]
        if not filled:
            continue
        addresses = sum("@" in cell for cell in filled)
        if addresses * 2 >= len(filled) and EMAIL not in found:
            found[EMAIL] = column
        elif TYPE not in found and 2 * sum(cell.casefold() in types for cell in filled) > len(
            filled
        ):
            found[TYPE] = column
        elif 2 * len(counts := [row for row, cell in enumerate(filled) if is_count(cell)]) > len(
            filled
        ):
            is_numbering = len(counts) > 2 and len({int(filled[row]) - row for row in counts}) == 1
            if TICKETS not in found and not is_numbering:
                found[TICKETS] = column
        elif not addresses and any(any(map(str.isalpha, cell)) for cell in filled):
            names.append((column, any(" " in cell for cell in filled)))
    if names:
        whole = next((column for column, has_space in names if has_space), None)
        if whole is None and len(names) > 1:
            found[FIRST_NAME], found[LAST_NAME] = names[0][0], names[1][0]
        else:
            found[NAME] = names[0][0] if whole is None else whole
    return found
