"""What each booking has of its own in a calendar file is written as icalendar writes it."""

from icalendar import vDDDTypes
from icalendar.parser import Contentline

from webapp import clock
from webapp.mail import ical
from webapp.text.typed import one_line, tidy_line


def test_lines_are_folded_as_icalendar_folds_them() -> None:
    for length in range(60, 90):
        for letter in ("x", "\u00e9"):
            text = "UID:" + letter * length
            assert ical._line(text).encode() == Contentline(text).to_ical()  # type: ignore[no-untyped-call]


def test_moment_of_a_file_is_that_of_its_mail() -> None:
    now = clock.now()
    assert f"{now:{ical.MOMENT}}" == vDDDTypes(now).to_ical().decode()


def test_plain_line_needs_no_look_at_each_letter() -> None:
    for text in ("Your ticket is booked: Harvest  Supper ", "a\tb", "a\r\nb", "caf\u00e9\u2028now"):
        looked_at = "".join(" " if char in "\r\n" else char for char in text)
        assert one_line(text) == tidy_line(looked_at)
