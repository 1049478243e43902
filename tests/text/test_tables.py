"""Lists as people have them: any letters, any separator, with headings or without."""

import pytest

from webapp.text.tables import decoded, is_spreadsheet, layout_of, line_of, table_of

PEOPLE = [["Jörg Müller", "jörg@example.org", "2"], ["Ada", "ada@example.org", "1"]]


def cells(text: str) -> list[list[str]]:
    return [cells for _, cells in table_of(text).lines]


@pytest.mark.parametrize("separator", ["\t", ";", ",", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_cells_are_found_whatever_stands_between_them(separator: str, line_end: str) -> None:
    text = line_end.join(separator.join(line) for line in PEOPLE) + line_end
    assert cells(text) == PEOPLE
    assert table_of(text).separator == separator


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_letters_are_read_in_every_common_encoding(encoding: str) -> None:
    text = "Name;E-Mail\nJörg Müller, ältester;joerg@example.org\n"
    assert decoded(text.encode(encoding)) == text


def test_files_of_spreadsheets_are_known() -> None:
    assert is_spreadsheet(b"PK\x03\x04...")
    assert not is_spreadsheet(b"PK,1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Müller, Jörg",j@example.org\n"Wu, Li",l@example.org', [["Müller, Jörg", "j@example.org"],
         ["Wu, Li", "l@example.org"]]),
        # A spreadsheet that quotes whole lines.
        ('"Ada,a@example.org,2"\n"Bo,b@example.org,1"', [["Ada", "a@example.org", "2"],
         ["Bo", "b@example.org", "1"]]),
        # A mark that is never closed swallows nothing.
        ('"Ada,a@example.org\nBo,b@example.org', [['"Ada', "a@example.org"],
         ["Bo", "b@example.org"]]),
        ("sep=|\nAda|a@example.org", [["Ada", "a@example.org"]]),
        ("Ada\n\n  ;; \nBo", [["Ada"], ["Bo"]]),
        ("Ada Wu <a@example.org>\nb@example.org\nBo", [["Ada Wu", "a@example.org"],
         ["", "b@example.org"], ["Bo", ""]]),
        ("Ada,a@example.org\nBo", [["Ada", "a@example.org"], ["Bo", ""]]),
        ("", []),
    ],
)  # fmt: skip
def test_cells_are_what_is_meant(text: str, expected: list[list[str]]) -> None:
    found = [[cell for cell in line if cell or len(line) < 3] for line in cells(text)]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "has_headings", "columns"),
    [
        ("Name,E-mail,Tickets\nAda,a@x.org,2", True, {"name": 0, "email": 1, "tickets": 2}),
        ("Vorname;Name;E-Mail-Adresse;Anzahl Karten\nAda;Wu;a@x.org;2", True,
         {"first_name": 0, "last_name": 1, "email": 2, "tickets": 3}),
        ("Nr;Teilnehmer/in;Kontaktdaten\n1;Ada;a@x.org\n2;Bo;b@x.org", True,
         {"name": 1, "email": 2}),
        ("Ada Wu\ta@x.org\t2\nBo Li\tb@x.org\t1", False, {"name": 0, "email": 1, "tickets": 2}),
        ("a@x.org,Ada,Wu\nb@x.org,Bo,Li", False, {"email": 0, "first_name": 1, "last_name": 2}),
        # One cell that is no number does not make one ticket of all the others.
        ("Ada\ta@x.org\t2\nBo\tb@x.org\t-1\nCy\tc@x.org\t3", False,
         {"name": 0, "email": 1, "tickets": 2}),
        ("Ada,2\nBo,two\nCy,1000\nDi,1\nEd,4", False, {"name": 0, "tickets": 1}),
        # Lines that are numbered have no number of tickets there.
        ("1,Ada\n2,Bo\n3,Cy", False, {"name": 1}),
        ("1,Ada\n2,Bo\n-,Cy\n4,Di", False, {"name": 1}),
        ("Wer,Wohin\nAda,a@x.org", True, {"name": 0, "email": 1}),
        ("Ada\nBo", False, {"name": 0}),
        ("a@x.org", False, {"email": 0}),
        ("", False, {}),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_headings_or_by_content(
    text: str, has_headings: bool, columns: dict[str, int]
) -> None:
    layout = layout_of(table_of(text))
    assert (layout.has_headings, dict(layout.columns)) == (has_headings, columns)


def test_lines_keep_the_numbers_that_they_have_in_the_text() -> None:
    table = table_of('Name,Mail\n\n"Ada\nWu",a@x.org\nBo,b@x.org')
    assert [number for number, _ in table.lines] == [1, 3, 5]
    assert table.lines[1][1] == ["Ada Wu", "a@x.org"]
    assert line_of(["Wu, Ada", "a"], ",") == '"Wu, Ada",a'


def test_column_of_types_is_looked_for_where_there_are_any() -> None:
    with_heading, without = (
        table_of("Gast,Art\nAda Wu,Sitz\n"),
        table_of("Ada Wu,sitz\nBo Li,SITZ\n"),
    )
    assert layout_of(with_heading, ["Sitz"]) == (True, {"name": 0, "type": 1})
    assert layout_of(with_heading) == (True, {"name": 0})
    assert layout_of(without, ["Sitz"]) == (False, {"name": 0, "type": 1})
    assert "type" not in layout_of(without).columns
