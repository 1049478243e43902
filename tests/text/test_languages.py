"""How each language writes dates, times, numbers and what is counted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from babel.numbers import format_decimal
from markupsafe import Markup

from webapp.text.formatting import hours, in_month, in_words, leaf, moment, month, span
from webapp.text.languages import ENGLISH, LANGUAGES, Language, read_language

GERMAN = LANGUAGES["de"]
BERLIN = "Europe/Berlin"
MAY = datetime(2027, 5, 3, 17, 30, tzinfo=UTC)
# Clocks go back at this moment.
BACK = datetime(2031, 10, 26, 1, 0, tzinfo=UTC)

POLISH = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\\n"

msgid "%(num)s ticket"
msgid_plural "%(num)s tickets"
msgstr[0] "%(num)s bilet"
msgstr[1] "%(num)s bilety"
msgstr[2] "%(num)s biletów"

#, fuzzy
msgid "Search"
msgstr "Zgadywanie"

msgctxt "event"
msgid "Cancelled"
msgstr "Odwołane"

msgid "Cancelled"
msgstr "Anulowane"
"""  # noqa: E501


@pytest.fixture
def polish(tmp_path: Path) -> Language:
    path = tmp_path / "pl.po"
    path.write_text(POLISH, encoding="utf-8")
    return read_language(path)


def words(text: Markup) -> str:
    """A text without tags; its dashes as the keyboard has them."""
    return text.striptags().replace("\N{EN DASH}", "-")


def event(starts_at: datetime | None, ends_at: datetime | None = None) -> Any:
    return SimpleNamespace(starts_at=starts_at, ends_at=ends_at, time_zone=BERLIN)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (ENGLISH, "Mon 3 May 2027, 19:30 CEST"),
        (GERMAN, "Mo., 3. Mai 2027, 19:30 MESZ"),
        (Language("fr"), "lun. 3 mai 2027, 19:30 CEST"),
        (Language("ja"), "2027年5月3日月曜日 19:30 CEST"),
        (Language("el"), "Δευ 3 Μαΐου 2027, 19:30 CEST"),
    ],
)
def test_moment_is_written_as_the_language_does(language: Language, told: str) -> None:
    assert words(moment(MAY, BERLIN, language)) == told


def test_moment_within_a_sentence() -> None:
    assert in_words(MAY, BERLIN, ENGLISH) == "3 May 2027, 19:30 CEST"
    assert in_words(MAY, BERLIN, GERMAN) == "3. Mai 2027, 19:30 MESZ"
    assert in_words(MAY, "Asia/Kathmandu", GERMAN) == "3. Mai 2027, 23:15 UTC+05:45"
    assert in_words(MAY, "America/New_York", GERMAN) == "3. Mai 2027, 13:30 EDT"


@pytest.mark.parametrize(
    ("end", "in_english", "in_german"),
    [
        (MAY + timedelta(hours=2), "Mon 3 May 2027, 19:30-21:30 CEST",
         "Mo., 3. Mai 2027, 19:30-21:30 MESZ"),
        (MAY + timedelta(hours=5), "Mon 3 May 2027, 19:30 CEST - Tue 4 May 2027, 00:30 CEST",
         "Mo., 3. Mai 2027, 19:30 MESZ - Di., 4. Mai 2027, 00:30 MESZ"),
    ],
)  # fmt: skip
def test_range_of_times(end: datetime, in_english: str, in_german: str) -> None:
    assert words(span(event(MAY, end), ENGLISH)) == in_english
    assert words(span(event(MAY, end), GERMAN)) == in_german


def test_two_equal_hours_have_their_zones_in_each_language() -> None:
    night = event(BACK - timedelta(minutes=30), BACK + timedelta(minutes=30))
    assert words(hours(night, ENGLISH)) == "02:30 CEST-02:30 CET"
    assert words(hours(night, GERMAN)) == "02:30 MESZ-02:30 MEZ"


def test_what_is_remembered_for_one_language_is_not_told_in_another() -> None:
    for _ in range(2):
        for language, told in ((ENGLISH, "Date to be announced"), (GERMAN, "Termin steht noch")):
            assert words(span(event(None), language)).startswith(told)
        assert "May" in words(span(event(MAY), ENGLISH))
        assert "Mai" in words(span(event(MAY), GERMAN))


def test_list_by_months_tells_the_day_once() -> None:
    assert (month(MAY, ENGLISH), month(MAY, GERMAN)) == ("May 2027", "Mai 2027")
    evening, night = (event(MAY, MAY + timedelta(hours=hours)) for hours in (2, 5))
    assert words(in_month(evening, ENGLISH)) == "Mon 3 · 19:30-21:30 CEST"
    assert words(in_month(evening, GERMAN)) == "Mo., 3. · 19:30-21:30 MESZ"
    assert words(in_month(night, GERMAN)) == words(span(night, GERMAN))
    assert words(leaf(MAY, BERLIN, ENGLISH)) == "3 May"


@pytest.mark.parametrize("number", [0, 1, 999, 1000, 1_234_567])
def test_number_in_english_is_grouped_by_commas(number: int) -> None:
    assert ENGLISH.number(number) == f"{number:,}"
    assert GERMAN.number(number) == f"{number:,}".replace(",", ".")


@pytest.mark.parametrize("code", ["de-CH", "es", "fr", "hi", "pl"])
@pytest.mark.parametrize("number", [-1234, 1000, 12_345, 1_234_567, 12_345_678])
def test_number_is_grouped_as_its_language_does_it(code: str, number: int) -> None:
    language = Language(code)
    assert language.number(number) == format_decimal(number, locale=language.locale)


def test_counted_has_as_many_forms_as_the_language(polish: Language) -> None:
    counted = [
        polish.ngettext("%(num)s ticket", "%(num)s tickets", n) for n in (1, 2, 5, 12, 22, 1000)
    ]
    assert counted[:3] == ["1 bilet", "2 bilety", "5 biletów"]
    assert counted[3:5] == ["12 biletów", "22 bilety"]
    assert counted[5].replace("\N{NO-BREAK SPACE}", "") == "1000biletów".replace("b", " b")


def test_text_without_a_translation_is_english_by_the_rules_of_english(polish: Language) -> None:
    assert polish.gettext("Search") == "Search", "a guess is no translation"
    assert polish.ngettext("%(num)s day", "%(num)s days", 22) == "22 days"
    assert polish.ngettext("%(num)s day", "%(num)s days", 1) == "1 day"


def test_context_tells_apart_what_english_does_not(polish: Language) -> None:
    assert polish.gettext("Cancelled") == "Anulowane"
    assert polish.pgettext("event", "Cancelled") == "Odwołane"
    assert polish.pgettext("elsewhere", "Cancelled") == "Cancelled"


def test_value_is_escaped_once_another_one_is_markup() -> None:
    told = ENGLISH.gettext("%(a)s & %(b)s", a="<", b=Markup("<b>"))
    assert told == Markup("&lt; &amp; <b>")
    assert ENGLISH.gettext("%(a)s & %(b)s", a="<", b=">") == "< & >"


def test_direction_and_name_come_with_the_language() -> None:
    assert (ENGLISH.direction, ENGLISH.name) == ("ltr", "English")
    assert (GERMAN.direction, GERMAN.name) == ("ltr", "Deutsch")
    assert (Language("ar").direction, Language("ar").name) == ("rtl", "العربية")
